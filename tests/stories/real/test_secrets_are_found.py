"""The search for secrets finds what is hidden on purpose; else it would prove nothing by finding nothing."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.stories.real.secrecy.kinds import KINDS, MAY_KEEP, MAY_SAY, PLAIN, SECRET_WORDS, allowed
from tests.stories.real.secrecy.known import SHORT, Known
from tests.stories.real.secrecy.story import Story, told


def sample(kind: str) -> str:
    """One secret as this kind looks."""
    match kind:
        case "one-time code":
            return f"{secrets.randbelow(900000) + 100000}"
        case "access token" | "id token" | "assertion" | "proof":
            return "eyJhbGciOiJub25lIn0." + ".".join(
                base64.urlsafe_b64encode(secrets.token_bytes(60)).decode() for _ in range(2)
            )
        case "password" | "client secret" | "passphrase":
            return f'{secrets.token_urlsafe(9)} +/=&%"{secrets.token_urlsafe(9)}'
        case _:
            return secrets.token_urlsafe(32)


# As software writes what it should not.
FLOW_NAMES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a form": quote_plus,
    "in an address": lambda secret: quote(quote(secret, safe=""), safe=""),
    "letter by letter": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in base64url": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "in a Basic header": lambda secret: base64.b64encode(f"some:{quote_plus(secret)}".encode()).decode(),
    "amid other bytes in base64": lambda secret: base64.b64encode(f"ab{secret}yz".encode()).decode(),
    "in JSON": lambda secret: json.dumps({"x": [secret]}),
    "in JSON in JSON": lambda secret: json.dumps({"x": json.dumps(secret)}),
    "as Python prints it": lambda secret: repr([(b"x", secret.encode())]),
    "in hexadecimal": lambda secret: secret.encode().hex(),
    "in colour": lambda secret: f"\x1b[1m{secret}\x1b[0m",
}
# Only one that is long enough to be told from chance.
PARTLY: dict[str, Callable[[str], str]] = {
    "broken into lines": lambda secret: "\n    ".join(secret[at : at + 20] for at in range(0, len(secret), 20)),
    "its first half": lambda secret: f"{secret[: len(secret) // 2 + 1]}...",
    "its last half": lambda secret: f"...{secret[len(secret) // 2 :]}",
}
LINE = "2026-11-25 22:14:23,216 keyfob.audit INFO {} ; 4 of 7 at port 46805, 0x7f2e516ca810 in 0.123456 s"


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_of_each_kind_is_found_in_whatever_form_it_is_written(kind: str) -> None:
    known = Known()
    for another in KINDS:
        if another != kind:
            known.add(another, sample(another))
    secret = sample(kind)
    known.add(kind, secret)
    for way, write in FLOW_NAMES.items():
        if len(secret) < SHORT and way == "amid other bytes in base64":
            continue
        assert known.found_in(LINE.format(write(secret))).keys() == {kind}, way
        assert known.found_in(LINE.format(write(secret)), {kind}) == {}, way
    for way, write in PARTLY.items():
        if len(secret) < 40 or (secret.startswith("eyJ") and way == "its first half"):
            continue  # a token without its signature opens nothing
        assert known.found_in(LINE.format(write(secret))).keys() == {kind}, way
    assert known.found_in(LINE.format("a secret of nobody's: abcdefghijklmnop 012345")) == {}


def test_a_key_of_bytes_is_found_as_it_is_written_down() -> None:
    known, key = Known(), secrets.token_bytes(32)
    known.add("vault key", key)
    for said in (
        key.hex(),
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode(),
        key.decode("latin-1"),
    ):
        assert known.found_in(f"x {said} y").keys() == {"vault key"}


def test_what_a_story_hears_and_what_lies_in_its_folder_is_searched(tmp_path: Path) -> None:
    with told(tmp_path) as story:
        story.known.add("refresh token", refresh := secrets.token_urlsafe(32))
        story.known.add("access token", access := secrets.token_urlsafe(32))
        story.hear("token --json", "stdout", f"{access} httpcore2")
        assert story.leaks() == []
        for who, where, text in (
            ("whoami", "stdout", access),
            ("token", "stderr", access),
            ("token", "stdout", refresh),
        ):
            story.said.clear()
            story.hear(who, where, text)
            assert len(story.leaks()) == 1
            assert text not in story.leaks()[0]
        _lay(story, "home/vault/default.json", refresh)
        assert story.leaks_on_disk() == []
        _lay(story, "tmp/left", base64.b64encode(refresh.encode()).decode())
        _lay(story, "home/open", "nothing", mode=0o644)
        assert sorted(line.partition(":")[0] for line in story.leaks_on_disk()) == ["home/open", "tmp/left"]


def _lay(story: Story, name: str, text: str, mode: int = 0o600) -> None:
    path = story.folder / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_every_exception_names_kinds_that_there_are_and_says_why() -> None:
    for one in (*MAY_SAY, *MAY_KEEP):
        assert one.kinds <= KINDS.keys()
        assert one.why
    assert not PLAIN & SECRET_WORDS.keys()
    assert set(SECRET_WORDS.values()) <= KINDS.keys()
    assert allowed(MAY_SAY, "token --json", "stdout") == {"access token"}
    assert allowed(MAY_SAY, "token", "stderr") == frozenset()
