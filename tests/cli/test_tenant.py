import base64
import io
import json
import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jsonschema import Draft202012Validator

from keyfob.cli.main import main
from keyfob.cli.tenant.example import EXAMPLE, SCHEMA_FILE
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.serve import Registry, TenantConfig
from tests.tls import make
from tools.source import ROOT

SECRET = "a client secret that is long enough for us"
PASSWORD = "correct horse battery"
FILE = """
[tenant]
name = "Example"

[[applications]]
client_id = "cli"
name = "CLI"

[[applications]]
client_id = "batch"
name = "Batch"
kind = "machine"
grants = ["client_credentials"]
auth = "client_secret_post"
secrets = [{ env = "BATCH_SECRET" }]

[[apis]]
audience = "https://orders.example/"
name = "Orders"
scopes = { "read:orders" = "read your orders", "write:orders" = "place orders" }

[[grants]]
client_id = "batch"
audience = "https://orders.example/"
scopes = ["read:orders"]

[[roles]]
name = "clerk"
permissions = { "https://orders.example/" = ["read:orders"] }

[[users]]
email = "pat@example.com"
name = "Pat"
roles = ["clerk"]
password = { file = "pat.secret" }
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Keyfob = Callable[..., Ran]


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyfob:
    """`keyfob tenant` in a folder of its own, with nobody at the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEYFOB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BATCH_SECRET", SECRET)
    (tmp_path / "pat.secret").write_text(f"{PASSWORD}\n")

    def run(*words: str, typed: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(["tenant", *words])
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert PASSWORD not in out + err
        return Ran(code, out, err)

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a tenant with that file, made once: hashing the password takes 0.3 s."""
    folder = tmp_path_factory.mktemp("applied")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KEYFOB_DATA", str(folder / "data"))
        patch.setenv("BATCH_SECRET", SECRET)
        write(f"{PASSWORD}\n", "pat.secret")
        write(FILE)
        assert main(["tenant", "apply"]) == 0
    return folder / "data"


@pytest.fixture
def applied(keyfob: Keyfob, data: Path) -> Keyfob:
    write(FILE)
    shutil.copytree(data, "data")
    return keyfob


def write(text: str, name: str = "tenant.toml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def config() -> TenantConfig:
    with Registry.open(Path("data")) as registry:
        return registry.config()


def people() -> dict[str, str]:
    with Registry.open(Path("data")) as registry:
        return {user.email: user.password_hash for user in registry.users()}


def test_the_file_to_begin_with_passes_a_check_and_is_never_written_over_another(keyfob: Keyfob) -> None:
    assert keyfob("init").code == 0
    assert keyfob("check").code == 0
    write("mine")
    again = keyfob("init")

    assert again.code == 2
    assert "already exists" in again.err
    assert Path("tenant.toml").read_text() == "mine"


def test_the_file_to_begin_with_names_its_schema_for_editors(keyfob: Keyfob) -> None:
    Path(SCHEMA_FILE).write_text("mine")
    assert keyfob("init").code == 0
    assert Path(SCHEMA_FILE).read_text() == "mine"

    Path("tenant.toml").unlink()
    Path(SCHEMA_FILE).unlink()
    assert keyfob("init").code == 0
    first_line = Path("tenant.toml").read_text().splitlines()[0]
    schema = Path(first_line.removeprefix("#:schema ")).read_text()

    assert schema == keyfob("schema").out
    Draft202012Validator(json.loads(schema)).validate(tomllib.loads(Path("tenant.toml").read_text()))


def test_the_comments_of_the_file_to_begin_with_are_settings_that_work(keyfob: Keyfob) -> None:
    code = re.compile(r"^# (?=\[\[|\w+ = )", re.MULTILINE)
    write(code.sub("", EXAMPLE).replace("NIGHTLY_SECRET", "BATCH_SECRET").replace("sam.password", "pat.secret"))
    checked = keyfob("check")

    assert checked.code == 0, checked.err
    assert "2 applications" in checked.out


def test_what_is_applied_is_shown_and_a_second_time_there_is_nothing_to_do(keyfob: Keyfob) -> None:
    write(FILE)
    first, second = keyfob("apply"), keyfob("apply")

    assert (first.code, second.code) == (0, 0)
    assert {"+ tenant", "+ application cli", "+ application batch", "+ role clerk", "+ user pat@example.com"} <= set(
        first.out.splitlines()
    )
    assert second.out == ""
    assert "nothing to change" in second.err
    assert [one.client_id for one in config().applications] == ["batch", "cli"]
    assert config().applications[0].secrets == ()
    assert len(config().applications[0].secret_hashes) == 1


def test_a_dry_run_changes_nothing_and_makes_no_folder(keyfob: Keyfob) -> None:
    write(FILE)
    dry = keyfob("apply", "--dry-run")

    assert dry.code == 0
    assert "+ application cli" in dry.out
    assert not Path("data").exists()


def test_a_change_is_shown_field_by_field_and_secrets_only_counted(
    applied: Keyfob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXT_SECRET", SECRET[::-1])
    write(
        FILE.replace('name = "Example"', 'name = "Other"\ndevice_lifetime = "5m"')
        .replace('{ env = "BATCH_SECRET" }', '{ env = "BATCH_SECRET" }, { env = "NEXT_SECRET" }')
        .replace('name = "Pat"', 'name = "Patricia"')
    )
    changed = applied("apply")

    assert changed.out.splitlines() == [
        "~ application batch",
        "    secrets: 1 secret -> 2 secrets",
        "~ tenant",
        '    device_lifetime: (not set) -> "5m"',
        '    name: "Example" -> "Other"',
        "~ user pat@example.com",
        '    name: "Pat" -> "Patricia"',
    ]


def test_nothing_is_removed_without_a_yes(applied: Keyfob) -> None:
    write(FILE.replace('[[applications]]\nclient_id = "cli"\nname = "CLI"\n', ""))
    refused = applied("apply")

    assert refused.code == 2
    assert "- application cli" in refused.out
    assert "--yes" in refused.err
    assert len(config().applications) == 2
    assert applied("apply", "--yes").code == 0
    assert len(config().applications) == 1


def test_people_whom_a_file_does_not_name_stay(applied: Keyfob) -> None:
    write(FILE.partition("[[users]]")[0])

    assert "nothing to change" in applied("apply").err
    assert list(people()) == ["pat@example.com"]


def test_a_password_that_is_the_same_is_not_changed_and_another_is(applied: Keyfob) -> None:
    before = people()
    assert "nothing to change" in applied("apply").err
    assert people() == before
    write("another horse and battery", "pat.secret")
    changed = applied("apply")

    assert changed.out.splitlines() == ["~ user pat@example.com", "    password: changed"]
    assert people() != before


def test_an_export_makes_the_same_tenant_again(applied: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    applied("users", "block", "pat@example.com")
    exported = applied("export")
    before, hashes = config(), people()
    write(exported.out)

    assert "nothing to change" in applied("apply").err
    monkeypatch.setenv("KEYFOB_DATA", "again")
    assert applied("apply").code == 0
    again = applied("export")
    assert again.out == exported.out
    assert "good in this tenant only" in exported.out
    with Registry.open(Path("again")) as registry:
        assert registry.config() == before
        assert {user.email: user.password_hash for user in registry.users()} == hashes
        assert [user.is_blocked for user in registry.users()] == [True]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_an_export_into_a_file_is_for_its_owner_alone(applied: Keyfob) -> None:
    assert applied("export", "-o", "out.toml").code == 0
    assert Path("out.toml").stat().st_mode & 0o077 == 0
    assert applied("export", "-o", "out.toml").code == 2


def test_one_mistake_is_told_with_its_line(keyfob: Keyfob) -> None:
    write('[tenant]\ndevice_lifetme = "15m"\n')
    ran, told = keyfob("check"), keyfob("check", "--json")

    assert (ran.code, told.code) == (2, 2)
    assert "tenant.toml:2:" in ran.err
    assert '"device_lifetime"' in ran.err
    assert "keyfob help setting-wrong" in ran.err
    mistake, error = told.objects()
    assert (mistake["line"], mistake["file"]) == (2, "tenant.toml")
    assert "error" in error


def test_several_mistakes_are_told_together(keyfob: Keyfob) -> None:
    write('[tenant]\nwire = "x"\nmfa = "y"\n')
    ran = keyfob("apply")

    assert ran.code == 2
    assert "tenant.toml:2:" in ran.err
    assert "tenant.toml:3:" in ran.err
    assert "2 mistakes" in ran.err
    assert not Path("data").exists()


@pytest.mark.parametrize(
    "line",
    [
        f'secrets = ["{SECRET}"]',
        f'secrets = "{SECRET}"',
        f'secrets = [{{ value = "{SECRET}" }}]',
        f'secrets = [{{ env = "{SECRET}" }}]',
        f'secrets = [{{ file = "{SECRET}" }}]',
        f'secrets = [{{ keyed = "{SECRET}" }}]',
        f'secrets = ["{SECRET}',
        f"secrets = [{SECRET}]",
        f'secret = "{SECRET}"',
        f'"{SECRET}" = 1',
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(keyfob: Keyfob, line: str) -> None:
    write(f'[[applications]]\nclient_id = "x"\nname = "x"\nkind = "machine"\nauth = "client_secret_post"\n{line}\n')

    assert keyfob("check").code == 2  # that it is not repeated is looked at after every command
    assert keyfob("check", "--json").code == 2


def test_a_check_without_secrets_does_not_look_for_them(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCH_SECRET")
    write(FILE)

    assert keyfob("check").code == 2
    assert keyfob("check", "--no-secrets").code == 0


def test_an_application_is_added_beside_those_of_a_ready_tenant(keyfob: Keyfob) -> None:
    assert keyfob("apps", "list").code == 2  # there is no tenant yet
    Registry.open(Path("data"), creates=True).__exit__(None, None, None)
    [added] = keyfob("apps", "add", "Mine", "--json").objects()
    listed = keyfob("apps", "list", "--json").objects()

    assert re.fullmatch(r"[A-Za-z]{32}", str(added["client_id"]))
    assert "client_secret" not in added
    assert {one["client_id"] for one in listed} == {added["client_id"], "keyfob-cli"}


def test_a_secret_that_is_made_is_shown_once(applied: Keyfob) -> None:
    [added] = applied("apps", "add", "Nightly", "--kind", "machine", "--client-id", "nightly", "--json").objects()
    secret = str(added["client_secret"])

    assert len(secret) == 64
    for words in (["apps", "list"], ["apps", "list", "--json"], ["apps", "show", "nightly"], ["export"]):
        ran = applied(*words)
        assert secret not in ran.all
        assert "nightly" in ran.all
    assert "secrets = 1" in applied("apps", "show", "nightly").out
    assert secret.encode() not in Path("data/tenant.sqlite3").read_bytes()


def test_an_application_goes_with_its_grants_and_an_api_only_when_no_role_needs_it(applied: Keyfob) -> None:
    refused = applied("apis", "remove", "https://orders.example/", "--yes")
    assert (refused.code, len(config().apis)) == (2, 1)
    assert "role clerk" in refused.err
    removed = applied("apps", "remove", "batch", "--yes")

    assert removed.out.splitlines() == ["- application batch", "- grant batch https://orders.example/"]
    assert config().grants == ()


def test_apis_and_grants_come_and_go(applied: Keyfob) -> None:
    assert applied("apis", "add", "https://b.example", "--name", "B", "--scope", "x=do x", "--scope", "y").code == 0
    assert applied("grants", "add", "cli", "https://b.example", "--scope", "x").code == 0
    assert applied("grants", "add", "cli", "https://b.example").code == 2
    assert applied("grants", "list").out.splitlines()[1].split() == ["cli", "https://b.example", "x"]
    [shown] = applied("apis", "show", "https://b.example", "--json").objects()
    assert shown["scopes"] == {"x": "do x", "y": "y"}
    assert applied("grants", "remove", "cli", "https://b.example").code == 2
    assert applied("grants", "remove", "cli", "https://b.example", "--yes").code == 0
    assert applied("apis", "remove", "https://b.example", "--yes").code == 0


def test_people_come_and_go(applied: Keyfob) -> None:
    added = applied("users", "add", "Bob@example.com", "--name", "Bob", "--role", "clerk", typed="another good one\n")
    assert added.code == 0
    assert "another good one" not in added.all
    [bob, pat] = applied("users", "list", "--json").objects()
    assert (bob["email"], bob["roles"], pat["name"]) == ("Bob@example.com", ["clerk"], "Pat")
    assert applied("users", "add", "bob@example.com", "--generate").code == 2
    assert "blocked" in applied("users", "block", "bob@example.com").err
    assert "is_blocked = true" in applied("users", "show", "bob@example.com").out
    assert applied("users", "unblock", "bob@example.com").code == 0
    assert "is_blocked" not in applied("users", "show", "bob@example.com").out
    assert applied("users", "remove", "bob@example.com").code == 2
    assert applied("users", "remove", "bob@example.com", "--yes").code == 0
    assert list(people()) == ["pat@example.com"]


def test_a_password_that_is_made_is_shown_once(applied: Keyfob) -> None:
    before = people()
    [told] = applied("users", "password", "pat@example.com", "--generate", "--json").objects()

    assert len(str(told["password"])) == 16
    assert people() != before
    assert str(told["password"]) not in applied("export").all


WRONG = [
    "",
    "aply",
    "apply nowhere.toml",
    "check .",
    "export --data nowhere",
    "export --data pat.secret",
    "apps",
    "apps show nobody",
    "apps remove nobody --yes",
    "apps add",
    "apps add Mine --client-id cli",
    "apps add Mine --client-id me@clients",
    "apps add Mine --kind spa",
    "apps add Mine --kind planet",
    "apps add Mine --grant teleport",
    "apps add Mine --kind native --auth client_secret_post",
    "apps add Mine --callback http://evil.example/cb",
    "apis add https://orders.example/",
    'apis add https://b.example --scope a"b',
    "grants add cli https://nowhere.example",
    "grants add nobody https://orders.example/",
    "grants add cli https://orders.example/ --scope fly",
    "users add pat@example.com --generate",
    "users add pat",
    "users add bob@example.com --role king --generate",
    "users add bob@example.com --connection nowhere --generate",
    "users add bob@example.com --password hush",
    "users add bob@example.com hush",
    "users add bob@example.com",
    "users password nobody@example.com --generate",
    "users show nobody@example.com",
    "users block nobody@example.com",
    "import nowhere.yaml",
    "import tenant.toml",
    "import .",
]


@pytest.mark.parametrize("line", WRONG)
def test_what_is_typed_wrongly_is_refused_with_a_word_of_what_to_do(applied: Keyfob, line: str) -> None:
    before = applied("export").out
    ran = applied(*shlex.split(line.replace('"', '\\"')))

    assert ran.code == 2
    assert "keyfob help " in ran.err
    assert len(ran.err.splitlines()) >= 3
    assert "unexpected error" not in ran.err
    assert "hush" not in ran.all
    assert applied("export").out == before


class Terminal(io.StringIO):
    """Somebody is there."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("n", 2), ("", 2), ("maybe", 2)])
def test_at_a_terminal_a_removal_is_asked_about(
    applied: Keyfob, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("io.StringIO", Terminal)

    assert applied("users", "remove", "pat@example.com", typed=f"{answer}\n").code == code
    assert len(people()) == (code != 0)


def test_at_a_terminal_a_password_is_asked_for_twice(applied: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["another good one", "another good one", "another good one", "not the same"])
    monkeypatch.setattr("io.StringIO", Terminal)
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))

    assert applied("users", "add", "bob@example.com").code == 0
    assert applied("users", "password", "bob@example.com").code == 2


def test_a_password_that_is_set_again_logs_out_too(applied: Keyfob) -> None:
    before = people()
    assert applied("users", "password", "pat@example.com", typed=f"{PASSWORD}\n").code == 0

    assert people() != before


@pytest.mark.skipif(os.name != "posix", reason="arguments are bytes on POSIX")
def test_half_a_character_is_refused(applied: Keyfob) -> None:
    for words in (
        "apps add \udcff",
        "apis add https://b.example --scope x=\udcff",
        "users add b@example.com --name \udcff",
    ):
        assert applied(*words.split(" "), typed="another good one\n").code == 2


def test_a_short_password_is_refused_and_not_repeated(applied: Keyfob) -> None:
    ran = applied("users", "add", "bob@example.com", typed="hush\n")

    assert ran.code == 2
    assert "hush" not in ran.all


def test_a_program_with_a_certificate_is_added_and_a_key_in_the_same_file_stays_there(applied: Keyfob) -> None:
    made = make()
    made.lay_together(Path(), "both")
    for words in ("--certificate both.pem --client-id own", "--certificate-name dns:robot.example --client-id named"):
        ran = applied("apps", "add", "Robot", "--kind", "machine", *words.split())
        assert ran.code == 0, ran.err
        assert "client_secret" not in ran.out
    shown = applied("apps", "show", "own", "--json").out + applied("export").out
    assert made.certificate.decode().splitlines()[1] in shown
    assert made.key.decode().splitlines()[1] not in shown
    assert json.loads(applied("apps", "show", "named", "--json").out)["auth"] == "tls_client_auth"
    assert applied("apps", "add", "Robot", "--kind", "machine", "--certificate", "none.pem").code == 2
    assert applied("apps", "add", "Robot", "--kind", "machine", "--certificate-name", "robot").code == 2


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_a_program_with_a_public_key_is_added_from_a_file_in_pem_or_as_a_jwk(
    applied: Keyfob, algorithm: Algorithm
) -> None:
    key = SigningKey.generate(algorithm)
    pem = key.handle.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write(pem.decode(), "robot.pub")
    write(json.dumps(key.public_jwk()), "robot.json")
    for file, client_id in (("robot.pub", "by-pem"), ("robot.json", "by-jwk")):
        ran = applied("apps", "add", "Robot", "--kind", "machine", "--public-key", file, "--client-id", client_id)
        assert ran.code == 0, ran.err
        assert "client_secret" not in ran.out
        shown = json.loads(applied("apps", "show", client_id, "--json").out)
        assert shown["auth"] == "private_key_jwt"
        assert shown["public_keys"][0]["kid"] == key.key_id


def test_a_private_key_in_place_of_the_public_one_is_refused_and_not_repeated(applied: Keyfob) -> None:
    key = SigningKey.generate("ES256")
    write(key.pem().decode(), "robot.pem")
    assert isinstance(key.handle, EllipticCurvePrivateKey)
    private = key.handle.private_numbers().private_value.to_bytes(32)
    secret = base64.urlsafe_b64encode(private).decode()
    write(json.dumps({**key.public_jwk(), "d": secret}), "robot.json")
    write("{", "broken.json")
    for file in ("robot.pem", "robot.json", "broken.json", "none.pem"):
        ran = applied("apps", "add", "Robot", "--kind", "machine", "--public-key", file)
        assert ran.code == 2, file
        assert not {secret, key.pem().decode().splitlines()[1]} & set(ran.all.split())
    assert "openssl pkey" in applied("apps", "add", "Robot", "--kind", "machine", "--public-key", "robot.pem").err
    assert json.loads(applied("apps", "list", "--json").out.splitlines()[0])["name"] != "Robot"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--mtls-port 0", "Add --tls"),
        ("--tls --client-ca x.pem", "Add --mtls-port"),
        ("--tls --port 0 --mtls-port 0 --client-ca x.pem", "cannot be read"),
    ],
)
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_flags_for_certificates_that_do_not_go_together_are_said_to(
    keyfob: Keyfob, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert main(["serve", *words.split()]) == 2
    assert said in capsys.readouterr().err


COMMANDS = [
    shlex.split(line.removeprefix("$ keyfob "))
    for line in (ROOT / "docs" / "tenant.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("$ keyfob tenant")
]


def test_the_commands_of_the_page_work_one_after_the_other(keyfob: Keyfob) -> None:
    write(YAML, "tenant.yaml")
    make().lay_together(Path(), "robot")
    for words in COMMANDS:
        if "import" in words:
            Path("tenant.toml").unlink()
        ran = keyfob(*words[1:])
        assert ran.code == 0, (words, ran.err)
    assert keyfob("check").code == 0


YAML = """
tenant:
  friendly_name: Example
  default_audience: https://orders.example/
  session_lifetime: 72
  enabled_locales: [en]
clients:
  - name: Orders CLI
    app_type: native
    token_endpoint_auth_method: none
    grant_types: [urn:ietf:params:oauth:grant-type:device_code, refresh_token, implicit]
    refresh_token: {rotation_type: rotating, expiration_type: expiring, leeway: 3, token_lifetime: 2592000,
                    idle_token_lifetime: 1296000}
    oidc_conformant: true
  - name: Nightly
    app_type: non_interactive
    token_endpoint_auth_method: client_secret_post
    grant_types: [client_credentials]
    client_secret: a client secret that is long enough for us
    jwt_configuration: {alg: RS256, lifetime_in_seconds: 3600}
  - name: Shop
    app_type: regular_web
    callbacks: [https://shop.example/cb, "https://*.shop.example/cb", http://shop.example/cb]
    allowed_logout_urls: [https://shop.example/]
    is_first_party: false
    addons: {samlp: {}}
  - name: All Applications
    global: true
resourceServers:
  - name: Orders
    identifier: https://orders.example/
    signing_alg: RS256
    token_lifetime: 86400
    enforce_policies: true
    token_dialect: access_token_authz
    allow_offline_access: true
    scopes: [{value: read:orders, description: read your orders}, {value: write:orders}]
  - name: Legacy
    identifier: https://legacy.example/
    signing_alg: HS256
  - name: Auth0 Management API
    identifier: https://example.auth0.com/api/v2/
    is_system: true
clientGrants:
  - {client_id: Nightly, audience: https://orders.example/, scope: [read:orders, fly]}
  - {client_id: Nobody, audience: https://orders.example/, scope: []}
roles:
  - name: clerk
    description: May see orders
    permissions: [{permission_name: read:orders, resource_server_identifier: https://orders.example/}]
connections:
  - {name: google-oauth2, strategy: google-oauth2, enabled_clients: [Orders CLI]}
rules: [{name: old, script: x}]
actions: [{name: new}]
"""


def test_an_auth0_tenant_comes_over_and_what_does_not_is_named(keyfob: Keyfob) -> None:
    write(YAML, "auth0.yaml")
    ran = keyfob("import", "auth0.yaml")
    found = tomllib.loads(ran.out)

    assert ran.code == 0
    cli, nightly, shop = found["applications"]
    assert (cli["grants"], cli["refresh"]) == (
        ["device_code", "refresh_token"],
        {"leeway": "3s", "absolute": "30d", "idle": "15d"},
    )
    assert re.fullmatch(r"[A-Za-z]{32}", cli["client_id"])
    assert (nightly["kind"], nightly["auth"], nightly["id_token_lifetime"]) == ("machine", "client_secret_post", "1h")
    assert (shop["callbacks"], shop["is_first_party"]) == (["https://shop.example/cb"], False)
    assert found["apis"][0]["scopes"] == {"read:orders": "read your orders", "write:orders": "write:orders"}
    assert (found["apis"][0]["enforces_permissions"], found["apis"][0]["lists_permissions"]) == (True, True)
    assert found["apis"][1]["allow_offline_access"] is False
    assert found["grants"][0] == {
        "client_id": nightly["client_id"], "audience": "https://orders.example/", "scopes": ["read:orders"]
    }  # fmt: skip
    assert found["roles"][0]["permissions"] == {"https://orders.example/": ["read:orders"]}
    left = "rules actions google-oauth2 implicit HS256 signing_alg client_secret addons 'fly' 'Nobody' /api/v2/"
    for what in (*left.split(), "All Applications", "enabled_locales", "plain http", "placeholder"):
        assert what in ran.err
    write(ran.out)
    assert keyfob("apply").code == 0
    assert keyfob("import", "auth0.yaml").out == ran.out


@pytest.mark.parametrize("text", ["[", "- x", "x", "clients: 7", "clients: [7, {name: 7}]", "@@X@@: 1", "a: *a", "",
                                  "clients: [{name: x, app_type: [x], callbacks: {a: 1}, refresh_token: 7}]",
                                  "tenant: {default_audience: nowhere, default_directory: 7, session_lifetime: -1}",
                                  "roles: [{}, {name: r, permissions: 7}]", "resourceServers: [{identifier: 'a b'}]",
                                  "clients: [{name: x, client_id: 'a b'}, {name: y}, {name: y}]",
                                  "a: 2020-01-01",
        'clients: [{name: "\\ud800"}]',
        "{1: 2, clients: !!python/object:os.system {}}"])  # fmt: skip
def test_a_strange_export_never_ends_in_surprise(keyfob: Keyfob, text: str) -> None:
    write(text, "auth0.yaml")
    ran = keyfob("import", "auth0.yaml")

    assert ran.code in {0, 2}
    assert "unexpected error" not in ran.err
    if ran.code == 0:
        write(ran.out)
        assert keyfob("check").code == 0
