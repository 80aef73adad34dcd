"""Everything that is said and written while programs and people of a tenant do all that can be done."""

from __future__ import annotations

import json
import os
import re
import select
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault
from keyfob.protocol.http import Request, Response, form_request
from keyfob.run import run
from keyfob.server.io.data import MASTER_KEY
from keyfob.server.io.master_key import find_master_key
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import DATABASE
from keyfob.server.keyring import find_keyring
from keyfob.server.start import decrypt_signing_key
from keyfob.testing.person import Person
from tests.stories.real.secrecy.kinds import MAY_KEEP, MAY_SAY, OPEN_FILES, allowed
from tests.stories.real.secrecy.known import Known
from tests.stories.real.secrecy.tap import Tap, tapped

# Writes down how it was started: what others on the machine may see of it.
WITNESS = """#!{python}
import json, os, pathlib, sys
own = pathlib.Path("/proc/self")
said = {{"words": sys.argv[1:], "line": (own / "cmdline").read_text(errors="replace"), "environment": dict(os.environ)}}
aside = pathlib.Path({seen!r} + ".part")
aside.write_text(json.dumps(said))
aside.rename({seen!r})
"""

LONGEST_CURVE_KEY, CURVE_KEY = 400, 88  # letters of base64
MARK = "----ended----"
IN_TURN = f"""
import io, json, sys
from keyfob.cli.main import main
for words, typed in json.load(sys.stdin):
    sys.stdin = io.TextIOWrapper(io.BytesIO(typed.encode()))
    code = main(words)
    sys.stdout.write(f"{MARK}{{code}}\\n")
    sys.stdout.flush()
    sys.stderr.write("{MARK}")
    sys.stderr.flush()
"""


@dataclass(frozen=True)
class Said:
    """What one command said at one place."""

    who: str
    where: str
    text: str


class Talk:
    """A command that runs, and is spoken with."""

    def __init__(self, story: Story, words: tuple[str, ...]) -> None:
        self._story, self.words = story, words
        self._heard: list[str] = []
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  it ends with the command
        self.process = subprocess.Popen(
            [sys.executable, "-m", "keyfob", *words],
            env=story.environment, cwd=story.folder / "project", text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def line(self, beginning: str) -> str:
        """The next line that begins like this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.append(line)
            if line.strip().startswith(beginning):
                return line.strip()
        raise AssertionError(f"{beginning} was not said, but {self._heard} {self.errors()}")

    def event(self, name: str) -> dict[str, str]:
        """The next event of that name."""
        found: dict[str, str] = json.loads(self.line(f'{{"event": "{name}"'))
        return found

    def answer(self, kind: str, text: str | Callable[[], str]) -> None:
        """Wait for a question, and answer it; of several choices, with the number of the one of that name."""
        asked = self.event("question")
        assert asked["kind"] == kind, asked
        text = text if isinstance(text, str) else text()
        if kind == "factor":
            numbered = re.search(rf"(\d): [^;]*{text}", asked["words"])
            assert numbered is not None, asked
            text = numbered[1]
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def errors(self) -> str:
        """What it has said on stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def wait_until_said(self, words: str) -> None:
        """Return when that stands on stderr."""
        watch = select.poll()
        for _ in range(600):
            if words in self.errors():
                return
            watch.poll(50)
        raise AssertionError(f"{words} was not said, but {self.errors()}")

    def end(self, signal: int = 0) -> int:
        """Its exit code, once it has ended; what it said is remembered."""
        if signal:
            self.process.send_signal(signal)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        with self.process.stdout:
            self._heard.extend(self.process.stdout)
        code = self.process.wait(60)
        who = " ".join(self.words)
        self._story.hear(who, "stdout", "".join(self._heard))
        self._story.hear(who, "stderr", self.errors())
        self._errors.close()
        return code


@dataclass
class Story:
    """One folder for everything, and what is known and was said."""

    folder: Path
    known: Known
    tap: Tap
    environment: dict[str, str] = field(repr=False)
    said: list[Said] = field(default_factory=list[Said], repr=False)
    running: list[Talk] = field(default_factory=list[Talk])

    def start(self, *words: str) -> Talk:
        """Run a command that is spoken with."""
        self.running.append(Talk(self, words))
        return self.running[-1]

    def run(self, *words: str, code: int | None = 0, stdin: str = "") -> str:
        """Run a command to its end; what it said on stdout."""
        done = self._subprocess("-m", "keyfob", *words, stdin=stdin)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.hear(" ".join(words), "stdout", done.stdout)
        self.hear(" ".join(words), "stderr", done.stderr)
        return done.stdout

    def run_in_turn(self, *commands: Sequence[int | str], typed: Mapping[str, str] | None = None) -> list[str]:
        """Run commands one after the other in one process, which is quicker; what each said on stdout.

        Args:
            commands: Their words; a number at the beginning is the exit code to be.
            typed: What is on the stdin of some, by their words.
        """
        wanted = [command[0] if isinstance(command[0], int) else None for command in commands]
        all_words = [[word for word in command if isinstance(word, str)] for command in commands]
        stdin = json.dumps([(words, (typed or {}).get(" ".join(words), "")) for words in all_words])
        done = self._subprocess("-c", IN_TURN, stdin=stdin)
        outs, errors = done.stdout.split(MARK), done.stderr.split(MARK)
        assert len(outs) == len(errors) == len(commands) + 1, done.stderr
        for words, out, error, code, ended in zip(all_words, outs, errors, wanted, outs[1:], strict=False):
            found = int(ended.partition("\n")[0])
            assert code in {None, found}, f"{words}: {found}\n{out}\n{error}"
            self.hear(" ".join(words), "stdout", out)
            self.hear(" ".join(words), "stderr", error)
        return [out.partition("\n")[2] if number else out for number, out in enumerate(outs[:-1])]

    def _subprocess(self, *words: str, stdin: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], env=self.environment, cwd=self.folder / "project", input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def hear(self, who: str, where: str, text: str) -> None:
        """Remember what was said; all secrets are known only at the end."""
        self.said.append(Said(who, where, text))

    def serve(self, *words: str) -> tuple[Talk, str]:
        """A tenant, and its issuer."""
        server = self.start("serve", "--port", "0", *words)
        issuer = server.line("issuer").split()[1]
        server.line("Ctrl-C")
        return server, issuer

    def person(self) -> Person:
        """Somebody at a browser whose secrets are learnt."""
        return Person(self.tap.send)

    def away(self, person: Person) -> tuple[Person, list[str]]:
        """The same at a browser of another machine, where no program listens; and the addresses that it ended at."""
        ended: list[str] = []

        def send(request: Request) -> Response:
            if "/callback?" not in request.url:
                return self.tap.send(request)
            ended.append(request.url)
            return Response(502)

        one = Person(send)
        one.cookies = person.cookies
        return one, ended

    def post(self, url: str, **fields: str) -> dict[str, object]:
        """What a small program of somebody else sends."""
        found: dict[str, object] = json.loads(self.tap.send(form_request(url, fields)).body)
        return found

    def witness(self, name: str) -> tuple[Path, Path]:
        """A program that writes down how it was started, and where."""
        program, seen = self.folder / "bin" / name, self.folder / "seen" / name
        program.write_text(WITNESS.format(python=sys.executable, seen=str(seen)))
        program.chmod(0o700)
        return program, seen

    def learn_from_vault(self, name: str = "default") -> None:
        """What only the program knows."""
        stored = run(FileVault(self.folder / "home").load(name))
        assert stored is not None
        self.known.add("access token", stored.access_token.reveal())
        for kind, secret in (("refresh token", stored.refresh_token), ("proof key", stored.proof_key)):
            if secret is not None:
                self.learn_key(kind, secret.reveal()) if kind == "proof key" else self.known.add(kind, secret.reveal())

    def learn_key(self, kind: str, pem: str) -> None:
        """A private key, without its lines; and without its public part, which certificates and metadata show."""
        text = "".join(line for line in pem.splitlines() if not line.startswith("---"))
        is_rsa = len(text) > LONGEST_CURVE_KEY  # where the public part comes first, and in the others last
        self.known.add(kind, text[len(text) // 2 :] if is_rsa else text[:CURVE_KEY])

    def master_file(self) -> Path:
        """Return the file with the tenant's master key."""
        [found] = [*(self.folder / "keys").glob("*.key"), *(self.folder / "data").glob(MASTER_KEY)]
        return found

    def learn_from_tenant(self) -> None:
        """What only the tenant knows."""
        import asyncio
        from datetime import UTC, datetime

        master, now = find_master_key(self.folder / "data", f"file:{self.master_file()}").key, datetime.now(UTC)
        store = SqliteStore(self.folder / "data" / DATABASE)
        keyring = asyncio.run(store.read(lambda transaction: find_keyring(transaction, master, now)))
        assert keyring is not None
        for secret in (master, keyring.hashing, keyring.sealing):
            self.known.add("master key", secret)
        for key in asyncio.run(store.read(lambda transaction: transaction.signing_keys())):
            self.learn_key("signing key", decrypt_signing_key(key, keyring, now).pem().decode())
        asyncio.run(store.close())

    def check(self, verbose_in: str = "httpcore2") -> None:
        """Nothing leaked; and of everything that passed it was decided whether it is secret."""
        assert self.tap.undecided == set()
        assert any(verbose_in in one.text for one in self.said), "it was verbose indeed"
        found = self.leaks() + self.leaks_on_disk()
        assert not found, "\n".join(found)

    def leaks(self) -> list[str]:
        """Every secret that was said where it may not be; the words of each complaint hold none."""
        found: list[str] = []
        for one in self.said:
            kinds = self.known.found_in(one.text, allowed(MAY_SAY, one.who, one.where))
            found += [f"{one.who}: {kind} on {one.where} ({', '.join(sorted(how))})" for kind, how in kinds.items()]
        return found

    def files(self) -> Generator[tuple[str, Path]]:
        """All that programs of ours have written, with its name in the story."""
        for root in ("home", "data", "keys", "runtime", "project", "person", "tmp"):
            for path in sorted((self.folder / root).rglob("*")):
                yield path.relative_to(self.folder).as_posix(), path

    def leaks_on_disk(self) -> list[str]:
        """Every file that others may read, or that holds what it should not."""
        found: list[str] = []
        for name, path in self.files():
            is_open = stat.S_IMODE(path.stat().st_mode) & 0o077
            if is_open and not any(fnmatch(name, one) for one in OPEN_FILES):
                found.append(f"{name}: others may read it")
            if path.is_file():
                kinds = self.known.found_in(path.read_bytes().decode("latin-1"), allowed(MAY_KEEP, name, "file"))
                found += [f"{name}: {kind} ({', '.join(sorted(how))})" for kind, how in kinds.items()]
        return found


@contextmanager
def told(folder: Path, **more: str) -> Generator[Story]:
    """A story in a folder of its own; whatever still runs at its end is stopped."""
    for name in ("home", "data", "keys", "runtime", "project", "person", "tmp", "bin", "seen"):
        (folder / name).mkdir(mode=0o700)
    known = Known()
    with tapped(known) as tap:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KEYFOB", "SSL", "HTTP"))}
        own = {
            "KEYFOB_HOME": "home",
            "KEYFOB_DATA": "data",
            "KEYFOB_KEYS": "keys",
            "XDG_RUNTIME_DIR": "runtime",
            "HOME": "person",
        }
        own |= {"XDG_RUNTIME_DIR": "runtime", "TMPDIR": "tmp"}
        environment = kept | {name: str(folder / value) for name, value in own.items()}
        environment |= {
            "KEYFOB_STORE": "file",
            "KEYFOB_DEBUG": "1",
            "PYTHONUNBUFFERED": "1",
            "HTTP_PROXY": tap.url,
        } | more
        story = Story(folder, known, tap, environment)
        try:
            yield story
        finally:
            for talk in story.running:
                if talk.process.returncode is None:
                    talk.process.kill()
                    talk.end()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with told(tmp_path) as made:
        yield made


@dataclass(frozen=True)
class Started:
    """How a program was started, as others on the machine may see it.

    Attributes:
        line: All its words as the system shows them.
        added: What its environment has beyond that of the command that started it.
    """

    words: list[str]
    line: str
    added: dict[str, str]


def seen_by(path: Path, before: Mapping[str, str]) -> Started:
    """What a witness wrote down, once it has.

    Args:
        path: Where.
        before: The environment of the command that started it.
    """
    watch = select.poll()
    for _ in range(600):
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            own: dict[str, str] = found["environment"]
            added = {name: value for name, value in own.items() if before.get(name) != value}
            return Started(found["words"], found["line"], added)
        watch.poll(50)
    raise AssertionError(f"{path.name} was never started")
