"""`keyfob login` at issuers that are not as others, and as programs that are not persons."""

from pathlib import Path

import pytest

from keyfob.cli.main import main
from tests.cli.issuer import granted, issuer
from tests.cli.test_commands import Keyfob, Ran

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    """The command line, at home in an empty folder."""
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    for name in ("PROFILE", "ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "CA"):
        monkeypatch.delenv(f"KEYFOB_{name}", raising=False)

    def run(*words: str) -> Ran:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return run


def test_a_job_logs_in_by_the_token_of_its_platform(keyfob: Keyfob, tmp_path: Path) -> None:
    """[C-8693-01]: the place is kept, and never the token."""
    (tmp_path / "token").write_text("token-of-the-platform\n")
    with issuer(granted()) as server:
        words = ("--issuer", f"{server.url}/", "--client-id", "robot", "--flow", "machine")
        ran = keyfob("login", *words, "--identity", f"file:{tmp_path / 'token'}")
        assert keyfob("token", "--min-ttl", "2h").code == 0

    assert ran.code == 0
    assert [b"subject_token=token-of-the-platform" in body for _, path, _, body in server.came if path == "/token"] == [
        True,
        True,
    ]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert b"token-of-the-platform" not in kept + (ran.out + ran.err).encode()


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        (("--flow", "machine", "--identity", "github"), "id-token: write"),
        (("--flow", "machine", "--identity", "gitlab:NOT_THERE"), "id_tokens"),
        (("--flow", "machine", "--identity", "jenkins"), "github, gitlab:VARIABLE"),
        (("--flow", "device", "--identity", "github"), "--flow machine"),
        (("--flow", "machine"), "--identity PLATFORM"),
    ],
)
def test_an_identity_that_is_not_there_ends_the_login_before_anything_is_asked(
    keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], helps: str
) -> None:
    """[C-6749-14]"""
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    with issuer(granted()) as server:
        ran = keyfob("login", "--issuer", f"{server.url}/", "--client-id", "robot", *words)

    assert (ran.code, server.came) == (2, [])
    assert helps in ran.err
