"""`keyfob inspect`, letter for letter: the files in `inspected` are looked at by people.

KEYFOB_TEST_ACCEPT=1 writes them anew; read the difference before you commit it.
"""

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from keyfob.cli import token_report
from keyfob.cli.main import main
from keyfob.cli.token_report import TokenReport, kind_of
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.guard import Policy, explain
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.opaque import encrypt
from keyfob.jose.tokens import sign, take_apart
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker
from tests.cli.issuer import WELL_KNOWN, as_json, issuer, keep_login
from tests.loopback import Loopback, serving

SHOWN = Path(__file__).parent / "inspected"
ISSUER, AUDIENCE = "https://login.example/", "https://orders.example/"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY, OTHER = SigningKey.generate("RS256"), SigningKey.generate("RS256")
MINT = TokenMaker(ISSUER, AUDIENCE, KEY, OTHER, NOW - timedelta(minutes=5))
POLICY = Policy(ISSUER, AUDIENCE)
KEYS = KeySet((KEY.public_key(),))
PERSON = {"iss": ISSUER, "sub": "auth0|person", "aud": "cli", "nonce": "n", "email": "pat@example.com",
          "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 36000}  # fmt: skip


def found(token: Secret, policy: Policy = POLICY, keys: KeySet | None = KEYS, **more: object) -> TokenReport:
    try:
        length = len(take_apart(token).signature)
    except Exception:  # noqa: BLE001
        length = 0
    return TokenReport(kind_of(token), explain(token, keys, policy, NOW), policy, NOW, length, **more)  # type: ignore[arg-type]


CASES: dict[str, Callable[[], TokenReport]] = {
    "good": lambda: found(MINT.good()),
    "late-and-elsewhere": lambda: found(
        MINT.saying({"aud": ["https://stock.example/", "x"], "exp": int(NOW.timestamp()) - 7200, "scope": "a b"})
    ),
    "offline": lambda: found(MINT.good(), keys=None, keys_missing="the keys were not fetched because of --offline"),
    "assumed": lambda: found(MINT.good(), assumed=("issuer", "audience")),
    "bound": lambda: found(MINT.saying({"cnf": {"jkt": "x" * 43}})),
    "id-token": lambda: found(
        sign(PERSON, KEY, token_type="JWT"), Policy(ISSUER, "cli"), assumed=("issuer", "audience")
    ),
    "encrypted": lambda: found(encrypt({"sub": "x"}, b"k" * 32, nonce=b"n" * 12, issuer=ISSUER), keys=None),
    "opaque": lambda: found(Secret("2YotnFZFEjr1zCsicMWpAA"), keys=None),
    "forged": lambda: found(sign(MINT.claims().write("auth0"), OTHER, token_type="JWT", header={"kid": KEY.key_id})),
}  # fmt: skip


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks of people show UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("a process cannot change its time zone here")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def agreed(name: str, said: str) -> None:
    path = SHOWN / name
    said = said.replace(KEY.key_id, "KEY-ID").replace(OTHER.key_id, "KEY-ID")
    if os.environ.get("KEYFOB_TEST_ACCEPT") == "1":
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_a_token_is_shown_as_it_was_agreed(case: str, utc: None) -> None:
    agreed(f"{case}.txt", "\n".join(token_report.lines(CASES[case]())) + "\n")


@pytest.mark.parametrize("case", CASES)
def test_a_program_reads_what_was_agreed(case: str) -> None:
    agreed(f"{case}.json", json.dumps(token_report.members(CASES[case]()), indent=1) + "\n")


def test_nothing_is_kept_that_nothing_shows() -> None:
    assert {path.name for path in SHOWN.iterdir()} == {f"{case}.{end}" for case in CASES for end in ("txt", "json")}


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (MINT.good(), "access-token"),
        (MINT.of(MINT.claims(), token_type="at+jwt"), "access-token"),
        (MINT.of(MINT.claims(), token_type="application/AT+JWT"), "access-token"),
        (sign(PERSON, KEY, token_type="JWT"), "id-token"),
        (sign(PERSON | {"scope": "openid"}, KEY, token_type="JWT"), "access-token"),
        (sign({"aud": "cli"}, KEY, token_type="JWT"), "id-token"),
        (sign({"jti": "x"}, KEY, token_type="dpop+jwt"), "signed"),
        (encrypt({}, b"k" * 32, nonce=b"n" * 12, issuer=ISSUER), "encrypted"),
        (Secret(""), "opaque"), (Secret("a.b.c"), "opaque"), (Secret("eyJhbGciOiJub25lIn0.x"), "opaque"),
    ],
)  # fmt: skip
def test_kinds_are_told_apart(token: Secret, kind: str) -> None:
    assert kind_of(token, "cli") == kind


# -- as a person types it ---------------------------------------------------------------------------------------------

Keyfob = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    for name in ("PROFILE", "ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "DEBUG", "CA"):
        monkeypatch.delenv(f"KEYFOB_{name}", raising=False)

    def run(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        code = main(["inspect", *words])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


def token_of(server: Loopback, key: SigningKey = KEY, **changed: object) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": f"{server.url}/", "sub": "p", "aud": AUDIENCE, "iat": now, "exp": now + 600, "scope": "a"}
    return sign(claims | changed, key, token_type="JWT").reveal()


@contextmanager
def keyed() -> Generator[Loopback]:
    """An issuer that has keys."""

    def metadata(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        as_json(200, issuer=f"{server.url}/", token_endpoint=f"{server.url}/token", jwks_uri=f"{server.url}/jwks")(
            handler, body
        )

    with serving({WELL_KNOWN: metadata, "/jwks": as_json(200, keys=[KEY.public_jwk()])}) as server:
        yield server


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_token_from_stdin_or_a_file_is_judged_with_its_issuers_keys(keyfob: Keyfob, tmp_path: Path) -> None:
    with keyed() as server:
        ours, token = ("--issuer", f"{server.url}/"), token_of(server)
        code, out, err = keyfob("-", *ours, "--audience", AUDIENCE, typed=f"Bearer {token}\n")
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == "An API accepts it."
        (tmp_path / "token").write_text(token)
        code, out, _ = keyfob(str(tmp_path / "token"), *ours, "--json")
        assert (code, json.loads(out)["assumed"], json.loads(out)["accepted"]) == (0, ["audience"], True)
        code, out, _ = keyfob("-", *ours, "--audience", "https://other.example/", typed=token)
        assert (code, out.splitlines()[-1]) == (3, "An API refuses it: the token is for another audience.")
        assert keyfob("-", *ours, "--profile-of", "rfc9068", typed=token)[0] == 3
        assert keyfob("-", *ours, "--algorithm", "ES256", typed=token)[0] == 3
        assert keyfob("-", *ours, typed=token_of(server, OTHER))[0] == 3
        assert keyfob("-", *ours, typed=token_of(server, exp=1))[0] == 3


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_logins_own_token_is_inspected_if_nothing_is_said(keyfob: Keyfob) -> None:
    with keyed() as server:
        keep_login(server)
        kept, profile = run(FileVault().load("default")), ProfileFiles().load("default")
        assert kept is not None
        assert profile is not None
        token = token_of(server)
        run(FileVault().save("default", replace(kept, access_token=Secret(token))))
        code, out, _ = keyfob()
        assert code == 0
        assert token.rpartition(".")[2] not in out
        assert keyfob("--audience", "https://other.example/")[0] == 3
        assert keyfob("-", typed=token)[0] == 0, "its issuer is this login's, so that it may be asked on this machine"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_an_issuer_on_this_machine_that_nobody_named_is_not_asked(keyfob: Keyfob) -> None:
    """[C-9728-02]."""
    with keyed() as server:
        code, out, _ = keyfob("-", typed=token_of(server))
        assert server.came == []
    assert (code, "only if --issuer names it" in out) == (7, True)


def test_offline_it_says_which_checks_could_not_be_made(keyfob: Keyfob) -> None:
    token = sign({"iss": ISSUER, "aud": AUDIENCE, "sub": "p", "scope": "a", "iat": 1_000_000_000, "exp": 9_000_000_000},
                 KEY, token_type="JWT").reveal()  # fmt: skip
    code, out, _ = keyfob("-", "--offline", "--json", typed=token)
    said = {check["name"]: check["holds"] for check in json.loads(out)["checks"]}
    assert code == 7
    assert [name for name, holds in said.items() if holds is None] == ["key", "signature"]
    assert json.loads(out)["accepted"] is None
    assert keyfob("-", "--offline", "--audience", "x", typed=token)[0] == 3, "what is wrong is wrong without keys too"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_an_issuer_that_has_no_keys_is_said(keyfob: Keyfob) -> None:
    with issuer() as server:
        code, out, _ = keyfob("-", "--issuer", f"{server.url}/", typed=token_of(server))
    assert (code, "could not be checked" in out) == (1, True)


@pytest.mark.parametrize("word", [MINT.good().reveal(), "2YotnFZFEjr1zCsicMWpAA", "/no/such/file", "x" * 5000])
def test_a_token_that_was_typed_is_refused_and_not_repeated(keyfob: Keyfob, word: str) -> None:
    code, out, err = keyfob(word)
    assert (code, out) == (2, "")
    assert "| keyfob inspect -" in err
    assert word not in err


@pytest.mark.parametrize("typed", ["", " \n", "Bearer ", "x" * 70000])
def test_nothing_and_far_too_much_is_no_token(keyfob: Keyfob, typed: str) -> None:
    assert keyfob("-", typed=typed)[0] == 2


@pytest.mark.parametrize("flaw", FLAWS)
def test_no_part_of_a_signature_is_ever_shown(keyfob: Keyfob, flaw: str) -> None:
    token = FLAWS[flaw](MINT).reveal()
    code, out, err = keyfob("-", "--offline", typed=token)
    signature = token.rpartition(".")[2]
    assert code in {3, 7}
    assert len(signature) < 12 or signature[:12] not in out + err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x1b]", out + err)
