"""`keyfob login` at issuers that are not as others, and as programs that are not persons."""

from pathlib import Path

import pytest

from keyfob.cli.main import main
from tests.cli.issuer import granted, issuer
from tests.cli.test_commands import Keyfob, Ran
from tests.loopback import serving

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


@pytest.mark.parametrize(
    ("issuer", "helps"),
    [
        ("microsoft:common", "consumers"),
        ("auth0:", "docs/login.md"),
        ("keycloak:sso.example.com", "keycloak:https://sso.example.com/REALM"),
        ("gogle", "auth0:TENANT.REGION, github, google"),
    ],
)
def test_an_issuer_that_is_none_is_explained(keyfob: Keyfob, issuer: str, helps: str) -> None:
    ran = keyfob("login", "--issuer", issuer, "--client-id", "cli", "--flow", "device")

    assert ran.code == 2
    assert helps in ran.err


def test_a_short_name_is_kept_as_what_it_stands_for(keyfob: Keyfob, tmp_path: Path) -> None:
    """A realm on this machine is a short name too."""
    with serving({}) as server:
        ran = keyfob("login", "--issuer", f"keycloak:{server.url}/staff", "--client-id", "cli", "--flow", "device")
        asked = [path for _, path, _, _ in server.came]

    assert ran.code == 1
    assert asked[0] == "/realms/staff/.well-known/openid-configuration"


def test_a_file_of_authorities_is_kept_and_its_absence_said(
    keyfob: Keyfob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with issuer(granted()) as server:
        words = ("--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device")
        missing = keyfob("login", *words, "--ca", str(tmp_path / "nowhere.pem"))
        monkeypatch.setenv("KEYFOB_CA", str(tmp_path / "elsewhere.pem"))
        from_environment = keyfob("login", *words)
        monkeypatch.delenv("KEYFOB_CA")
        kept = keyfob("login", *words)

    assert (missing.code, from_environment.code, kept.code) == (2, 2, 0)
    assert "nowhere.pem cannot be read" in missing.err
    assert "elsewhere.pem cannot be read" in from_environment.err


SECRETS = [
    ("--secret-env", "s3cret-of-ours"),
    ("--secret-env", "s3cretofours"),
    ("--secret-file", "s3cretofours"),
    ("--secret-keyring", "s3cretofours"),
    ("--key-env", "-----BEGIN PRIVATE KEY----- s3cret"),
    ("--key-file", "-----BEGIN PRIVATE KEY-----\ns3cret/.\n"),
    ("--key-file", '{"kty":"EC","d":"s3cret"}'),
    ("--key-keyring", "-----BEGIN PRIVATE KEY-----/s3cret"),
    ("--identity", "env:eyJhbGciOiJub25lIn0.s3cret.x"),
    ("--identity", "file:s3cretofours"),
    ("--identity", "gitlab:eyJhbGciOiJub25lIn0.s3cret.x"),
    ("--identity", "s3cretofours"),
]


@pytest.mark.parametrize(("flag", "value"), SECRETS)
@pytest.mark.parametrize("form", ["{0}={1}", "{0} {1}"])
def test_a_secret_typed_where_its_place_should_be_is_refused_and_not_repeated(
    keyfob: Keyfob, flag: str, value: str, form: str
) -> None:
    words = (flag, value) if " " in form else (f"{flag}={value}",)
    with issuer(granted()) as server:
        own = ("--issuer", f"{server.url}/", "--client-id", "robot", "--flow", "machine")
        plain, told = keyfob("login", *own, *words), keyfob("login", *own, *words, "--json")

    assert (plain.code, told.code, server.came) == (2, 2, [])
    assert "s3cret" not in plain.out + plain.err + told.out + told.err


@pytest.mark.parametrize("flag", ["--secret", "--client-secret", "--key", "--secret-en"])
def test_there_is_no_flag_for_a_secret_itself(keyfob: Keyfob, flag: str) -> None:
    for words in ((flag, "s3cret"), (f"{flag}=s3cret",)):
        ran = keyfob("login", "--issuer", "https://x.example/", "--client-id", "robot", *words)
        assert ran.code == 2
        assert "s3cret" not in ran.out + ran.err
