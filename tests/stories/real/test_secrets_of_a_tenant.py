"""Nothing secret is said or left by those who run a tenant: its commands, its server, the demo."""

from __future__ import annotations

import json
import re
import secrets
import signal
import sys

import pytest

from tests.stories.real.secrecy.broken import broken
from tests.stories.real.secrecy.story import Story, story
from tests.stories.real.secrecy.tenant import write_tenant

__all__ = ["story"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc")
APP = ("tenant", "apps", "add", "Nightly", "--kind", "machine")
IMPORTED = """
clients:
  - name: Batch
    client_secret: {secret}
    app_type: non_interactive
    grant_types: [client_credentials]
databases:
  - name: people
"""


def learn_hashes(story: Story, exported: str) -> None:
    """What stands in an export instead of secrets."""
    found = re.findall(r"\$argon2id\$[^\"]+", exported), re.findall(r'keyed = "([^"]+)"', exported)
    assert all(found)
    story.known.add("hash", *found[0], *found[1])


def _words(*commands: str) -> list[list[str]]:
    return [["tenant", *command.split()] for command in commands]


def test_a_tenant_s_commands_keep_its_secrets(story: Story) -> None:
    """[C-ASVS-01]: what is made is shown once, what is given is never shown, and the database holds hashes."""
    file = write_tenant(story, "pat")
    server = story.start("serve", "--port", "0")
    story.known.add("password", server.line("password").split()[1])
    server.line("Ctrl-C")
    given, short = secrets.token_urlsafe(16), "shorty!"
    story.known.add("password", given, short)
    waiting = story.start("tenant", "users", "add", "c@example.com")
    made = story.run_in_turn(
        (*APP, "--json"), APP,
        *_words("users add a@example.com --generate --json", "users password a@example.com --generate"),
        *_words("users add b@example.com", "users password b@example.com --json"),
        (2, *_words("users password a@example.com")[0]),
        typed={f"tenant {words}": f"{typed}\n" for words, typed in (
            ("users add b@example.com", given), ("users password b@example.com --json", given),
            ("users password a@example.com", short),
        )},
    )  # fmt: skip
    client_id, shown = (line.split()[1] for line in made[1].splitlines())
    story.known.add("client secret", json.loads(made[0])["client_secret"], shown)
    story.known.add("password", json.loads(made[2])["password"], made[3].split()[5])
    said = story.run_in_turn(*_words(
        f"grants add {client_id} https://orders.example/ --scope read:orders", f"apps show {client_id}", "export",
        "apis add https://stock.example/ --scope read:stock", "users block b@example.com", "users list --json",
        "users unblock a@example.com --json", "users show a@example.com", "apps list --json", "grants list",
        f"apps show {client_id} --json", "apis list --json", "export -o export.toml",
        "users remove b@example.com --yes", f"apps remove {client_id} --yes",
    ))  # fmt: skip
    learn_hashes(story, said[2])
    assert waiting.end(signal.SIGINT) == 130
    assert server.end(signal.SIGINT) == 0

    mistaken, export = (story.folder / "project" / name for name in ("mistaken.toml", "export.yaml"))
    in_clear = file.read_text(encoding="utf-8")
    for variable, secret in (("NIGHTLY_SECRET", shown), ("PASSWORD_OF_PAT", given)):
        in_clear = in_clear.replace(f'{{ env = "{variable}" }}', f'"{secret}"')
    mistaken.write_text(in_clear, encoding="utf-8")
    export.write_text(IMPORTED.format(secret=shown), encoding="utf-8")
    said = story.run_in_turn(
        *_words("init", f"check {file} --json", f"apply {file} --dry-run", f"apply {file} --yes", "export"),
        (2, "tenant", "check", str(mistaken)), (2, "tenant", "check", str(mistaken), "--json"),
        (2, "tenant", "apply", str(mistaken)), (2, "serve", str(mistaken), "--port", "0"),
        *_words("import export.yaml", "import export.yaml -o imported.toml"),
    )  # fmt: skip
    learn_hashes(story, said[4])
    for written in (mistaken, export):
        written.unlink()
    story.learn_from_tenant()
    story.check(verbose_in="asyncio")


def test_a_tenant_that_is_damaged_or_wrong_keeps_its_secrets(story: Story) -> None:
    """[C-ASVS-01]"""
    file = write_tenant(story, "pat")
    story.run("tenant", "apply", str(file), "--yes")
    for place, words, kind in (
        ("keyfob.server.io.registry:Registry.plan_tables", "tenant apps add X --kind machine", "client secret"),
        ("keyfob.cli.tenant.people:_print_password", "tenant users add x@example.com", "password"),
        (
            "keyfob.server.settings.password_rules:check_new_password",
            "tenant users password pat@example.com",
            "password",
        ),
        ("keyfob.server.settings.tenant_file:read_tenant_file", f"tenant check {file}", "client secret"),
    ):
        given = secrets.token_urlsafe(16)
        story.known.add("password", given)
        with broken(story, place) as said:
            story.run(*words.split(), stdin=f"{given}\n", code=1)
        if kind == "client secret":
            # One that was made, and that nobody was shown.
            story.known.add(kind, *re.findall(r"(?m)^[\w-]{64}$", said.read_text()))
        assert kind in story.known.kinds_in(said.read_text()), place
    data = story.folder / "data"
    over_tls = story.start("serve", "--tls", "--port", "0")
    over_tls.line("Ctrl-C")
    keys = sorted((data / "tls").glob("*.key"))
    assert len(keys) == 2
    for key in keys:
        story.learn_key("private key", key.read_text(encoding="ascii"))
    assert over_tls.end(signal.SIGINT) in {0, 130}  # it may not have come to wait yet
    whole = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}
    story.learn_from_tenant()
    master = story.master_file()
    whole[master] = master.read_bytes()
    for place, damaged in ((data / "tenant.sqlite3", b"no database" * 500), (master, b"x" * 32)):
        place.write_bytes(damaged)
        story.run_in_turn(*_words("export", f"apply {file}"))
        for path, content in whole.items():
            path.touch(0o600)  # a log of the database may have gone
            path.write_bytes(content)
    master.write_bytes(b"short")
    story.run("serve", "--port", "0", code=2)
    story.check(verbose_in="asyncio")


def test_the_demo_keeps_its_secrets(story: Story) -> None:
    """[C-ASVS-01]: all parties in one process, at full verbosity; and with a thread that ends badly."""
    with broken(story, "keyfob.server.io.running:Running._run") as bug:
        said = story.run("demo", "--unattended")
    assert "Nothing is left running." in said
    assert bug.read_text()
    assert "RuntimeError)" in story.said[-1].text
    assert "RuntimeError:" not in story.said[-1].text
    story.check()
