from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.secret import Secret
from keyfob.server.settings.tenant_file import Mistake, TenantFile, find_secret, read_tenant_file

ISSUER = "https://login.example/"
LONG = "a long secret, as long as they have to be"
FILES = {"secret.txt": f"{LONG}\n", "empty.txt": "\n", "short.txt": "short"}
WORLD = {"SECRET": LONG, "PASSWORD": "correct horse battery staple", "SHORT": "x"}
GOOD = """
[tenant]
name = "Example"
device_lifetime = "10m"
allows_password = true
default_audience = "https://orders.example/"

[[applications]]
client_id = "cli"
name = "CLI"

[[applications]]
client_id = "batch"
name = "Batch"
kind = "machine"
grants = ["client_credentials", "password-realm"]
auth = ["client_secret_post", "client_secret_basic"]
secrets = [
    { env = "SECRET" },
    { file = "secret.txt" },
]

[applications.refresh]
idle = "1d"

[[apis]]
audience = "https://orders.example/"
name = "Orders"
scopes = { "read:orders" = "read your orders" }

[[grants]]
client_id = "batch"
audience = "https://orders.example/"
scopes = ["read:orders"]

[[roles]]
name = "clerk"
permissions = { "https://orders.example/" = ["read:orders"] }

[[users]]
email = "pat@example.com"
roles = ["clerk"]
password = { env = "PASSWORD" }
"""


def read_file(name: str) -> str:
    if name not in FILES:
        raise FileNotFoundError(2, "No such file or directory", name)
    return FILES[name]


def read(text: str, world: Mapping[str, str] = WORLD) -> TenantFile | tuple[Mistake, ...]:
    return read_tenant_file(text, issuer=ISSUER, resolve=lambda where: find_secret(where, world, read_file))


def mistakes(text: str, world: Mapping[str, str] = WORLD) -> list[tuple[int, str, str]]:
    found = read(text, world)
    assert isinstance(found, tuple)
    return [(one.line, one.message, one.hint) for one in found]


def test_a_file_says_a_whole_tenant() -> None:
    found = read(GOOD)

    assert isinstance(found, TenantFile)
    assert found.config.issuer == ISSUER
    assert not found.names_issuer
    assert [one.client_id for one in found.config.applications] == ["cli", "batch"]
    assert found.config.applications[1].secrets == (Secret(LONG), Secret(LONG))
    assert found.config.applications[1].refresh.idle.days == 1
    assert found.config.password_users() == ("batch",)
    assert found.config.roles[0].permissions == (("https://orders.example/", "read:orders"),)
    [pat] = found.people
    assert (pat.email, pat.roles) == ("pat@example.com", ("clerk",))
    assert pat.password == Secret("correct horse battery staple")


def test_a_file_with_nothing_in_it_is_a_tenant_with_nothing_in_it() -> None:
    assert isinstance(read(""), TenantFile)


APP = '[[applications]]\nclient_id = "cli"\nname = "CLI"\n'
API = '[[apis]]\naudience = "https://a.example/"\nname = "A"\nscopes = { x = "x" }\n'
USER = '[[users]]\nemail = "pat@example.com"\n'
MACHINE = '[[applications]]\nclient_id = "m"\nname = "M"\nkind = "machine"\nauth = "client_secret_post"\n'

# What is typed, on which line that is told of, a word of the message, a word of what to do.
TABLE = [
    ('[tenant]\ndevice_lifetme = "15m"', 2, "device_lifetme", '"device_lifetime"'),
    ('[tenant]\n\ncolor = "#123456"', 3, "color", '"colour"'),
    ('[tenant]\ndevice_lifetime = "15 minutes"', 2, "not a duration", '"15m"'),
    ("[tenant]\ndevice_lifetime = 900", 2, "not a duration", '"15m"'),
    ('[tenant]\ncode_lifetime = "11m"', 2, "longer than ten minutes", "RFC 6749"),
    ('[tenant]\ncode_lifetime = "0s"', 2, "not positive", ""),
    ('[tenant]\nallows_password = "yes"', 2, "not true or false", "without quotes"),
    ("[tenant]\nrefresh_limit = true", 2, "not an integer", "digits"),
    ("[tenant]\nguess_odds = 2", 2, "not a number", "1e-9"),
    ('[tenant]\ndevice = { nearnes = "deny" }', 2, "nearnes", '"nearness"'),
    ('[tenant]\ndevice = { nearness = "dney" }', 2, "not an allowed value", '"deny"'),
    ('[tenant]\ndevice = { far_lifetime = "0s" }', 2, "far_lifetime", '"8h"'),
    ('[tenant]\ndevice = { far_scopes = ["opnid"] }\n' + API, 2, "'opnid'", "openid"),
    ('[tenant]\ndevice = "deny"', 2, "not a table", ""),
    ('[tenant]\nplaces = "places.mmdb"', 2, "absolute", "/var/lib"),
    ("[tenant]\nname = 7", 2, "not a string", "quotes"),
    ('[tenant]\nwire = "auth1"', 2, "not an allowed value", '"auth0"'),
    ('[tenant]\nfactors = ["sms"]', 2, "not an allowed value", "otp"),
    ('[tenant]\nfactors = "otp"', 2, "not a list", "brackets"),
    ('[tenant]\ncolour = "blue"', 2, "colour", ""),
    ('[tenant]\nissuer = "http://login.example.com/"', 2, "plain http", "https"),
    ('[tenant]\nissuer = "login.example.com"', 2, "trailing slash", "https://"),
    ('[tenant]\ndefault_audience = "https://a.example"\n' + API, 2, "not defined", "https://a.example/"),
    ('tenant = "x"', 1, "not a table", "[tenant]"),
    ("[[tenant]]", 1, "not a table", "[tenant]"),
    ('[[aplications]]\nclient_id = "x"', 1, "aplications", '"applications"'),
    ('name = "x"', 1, '"name"', "tenant"),
    ('[applications]\nclient_id = "x"', 1, "not an array of tables", "[[applications]]"),
    ('applications = ["x"]', 1, "not an array of tables", "[[applications]]"),
    ('\n[[applications]]\nclient_id = "cli"', 2, "name is missing", "string"),
    (APP + 'grant_types = ["x"]', 4, "grant_types", '"grants"'),
    (APP + 'token_endpoint_auth_method = "none"', 4, "token_endpoint_auth_method", '"auth"'),
    (APP + 'client_secret = "hush"', 4, "client_secret", '"secrets"'),
    (APP + 'grants = ["device-code"]', 4, "unknown grant type", '"device_code"'),
    (APP + 'auth = "post"', 4, "not an allowed value", "client_secret_post"),
    (APP + 'kind = "nativ"', 4, "not an allowed value", '"native"'),
    (APP + 'kind = "machine"', 1, "a machine needs an auth method", "client_secret_basic"),
    (APP + 'refresh = { idl = "1d" }', 4, "idl", '"idle"'),
    (APP + 'refresh = { idle = "400d" }', 1, "refresh.idle is longer", ""),
    (APP + '[applications.refresh]\nidle = "1 d"', 4, "idle is not a duration", '"15m"'),
    (APP + 'refresh.idle = "1 d"', 4, "idle is not a duration", '"15m"'),
    (APP + "refresh = true", 4, "not a table", ""),
    (APP + 'connections = ["Users"]', 1, "'Users' is not defined", "Username-Password-Authentication"),
    (APP + 'callbacks = ["http://evil.example/cb"]', 1, "plain http", ""),
    (APP + "public_keys = [{ kty = 'RSA' }]", 1, "key", ""),
    (APP + "public_keys = [\n  { kty = 'RSA', d = 'hush' }]", 4, "private key", "client"),
    (APP + APP, 4, "is defined twice", "Remove"),
    (APP + "public_keys = [{ kty = 'OKP', exp = 1979-05-27 }]", 4, "not a list", ""),
    ('[tenant]\ndevice_lifetime = "36501d"', 2, "longer than 100 years", ""),
    ("[tenant]\nrefresh_limit = 99999999999999999999", 2, "too large", ""),
    ("x = " + "[" * 5000, 1, "not TOML", "toml.io"),
    (MACHINE + 'secrets = ["hush"]', 6, "in plain text", 'env = "NAME"'),
    (MACHINE + 'secrets = "hush"', 6, "in plain text", 'env = "NAME"'),
    (MACHINE + 'secrets = ""', 6, "in plain text", 'env = "NAME"'),
    (MACHINE + 'secrets = [{ value = "hush" }]', 6, "not a reference to a secret", 'env = "NAME"'),
    (MACHINE + 'secrets = [{ hash = "hush" }]', 6, "not a reference to a secret", 'env = "NAME"'),
    (MACHINE + 'secrets = [{ env = "hush" }]', 6, "not set", "Set it"),
    (MACHINE + 'secrets = [{ env = "hush hush" }]', 6, "not the name of an environment variable", "NAME"),
    (MACHINE + 'secrets = [{ file = "hush" }]', 6, "No such file", "folder"),
    (MACHINE + 'secrets = [{ file = "empty.txt" }]', 6, "empty", "nothing else"),
    (MACHINE + 'secrets = [{ file = "short.txt" }]', 1, "at least 32", "openssl"),
    (MACHINE + 'secrets = [{ keyed = "hush" }]', 6, "not a keyed hash", "export"),
    (MACHINE + "secrets = [7]", 6, "not a reference to a secret", "env"),
    (MACHINE + "secrets = [{}]", 6, "not a reference to a secret", "env"),
    ('[[apis]]\naudience = "a"\nname = "A"\nscopes = ["x"]', 4, "not a table of strings", "read:orders"),
    (API + 'token_lifetime = "31d"', 1, "token_lifetime", ""),
    (API + 'algorithm = "HS256"', 5, "not an allowed value", '"RS256"'),
    (API + APP + '[[grants]]\nclient_id = "cl"\naudience = "https://a.example/"', 8, "not defined", "'cli'"),
    (API + APP + '[[grants]]\nclient_id = "cli"\naudience = "https://a.example/"\nscopes = ["y"]', 8, "scope", "x"),
    (API + '[[roles]]\nname = "r"\npermissions = ["x"]', 7, "not a table with a list of scopes", "read:orders"),
    (API + '[[roles]]\nname = "r"\npermissions = { "https://b.example/" = ["x"] }', 5, "role r", "a.example"),
    (USER + 'password = "hush"', 3, "in plain text", "hash"),
    (USER + 'password = { hash = "hush" }', 3, "not a hash of Argon2id", "export"),
    (USER + 'password = { env = "SHORT" }', 3, "fewer than 15", "another"),
    (USER + 'roles = ["x"]', 3, 'no role "x"', ""),
    (USER + 'connection = "x"', 3, "no such connection", "Username"),
    (USER + 'permissions = { "https://b.example/" = ["x"] }', 3, "no API", ""),
    ('[[users]]\nemail = "pat"', 1, "not an e-mail", "person@example.com"),
    (USER + 'user_id = "cli@clients"', 1, "user_id", "Omit it"),
    (USER + USER.upper().replace("[[USERS]]", "[[users]]").replace("EMAIL", "email"), 3, "is defined twice", ""),
    ("[tenant\nname = 1", 1, "not TOML", "toml.io"),
    (MACHINE + 'secrets = ["hush]', 6, "not TOML", "toml.io"),
    (MACHINE + "secrets = [hush]", 6, "not TOML", "toml.io"),
    ('[tenant]\nname = "x"\nname = "hush"', 3, "not TOML", "toml.io"),
]


@pytest.mark.parametrize(("text", "line", "what", "hint"), TABLE, ids=[str(number) for number in range(len(TABLE))])
def test_a_mistake_is_told_with_its_line_and_what_to_do(text: str, line: int, what: str, hint: str) -> None:
    [(at, message, do)] = mistakes(text)

    assert at == line
    assert what in message
    assert hint in do
    assert "hush" not in message + do


def test_several_mistakes_are_told_together_in_the_order_of_their_lines() -> None:
    found = mistakes(
        '[tenant]\nname = 1\nwire = "x"\n'  # 2, 3
        '[[applications]]\nclient_id = "a"\nnmae = "x"\n'  # 4 for the name that is missing, 6
        '[[apis]]\naudience = 1\nname = "x"\n'  # 8
        '[[users]]\nemail = ""\n'  # 10
    )

    assert [line for line, _, _ in found] == [2, 3, 4, 6, 8, 10]


def test_what_is_wrong_with_each_application_is_told_of_each() -> None:
    wrong = '[[applications]]\nclient_id = "{}"\nname = "x"\ncallbacks = ["http://evil.example/"]\n'
    found = mistakes(wrong.format("a") + APP + wrong.format("b") + '[[apis]]\naudience = "x y"\nname = "x"\n')

    assert [line for line, _, _ in found] == [1, 8, 12]


def test_a_mistake_is_found_behind_texts_and_lists_of_several_lines() -> None:
    text = (
        '[tenant]\nname = """\n[[applications]]\ncolor = 1\n"""\nlogout_urls = [\n  "https://a.example/", # ]\n]\n'
        "[[applications]]\nclient_id = 'a'\nname = 'A # ['\n\n[[ applications ]] # the second\nnmae = 'x'\n"
        "client_id = 'b'\nname = 'B'\n"
    )

    assert [(line, message) for line, message, _ in mistakes(text)] == [
        (14, 'application: the key "nmae" does not exist')
    ]


@given(st.text(st.sampled_from("[]{}\"'=.#\n\\ abtenant"), max_size=60))
def test_whatever_is_typed_there_is_an_answer(text: str) -> None:
    found = read(text)

    if isinstance(found, tuple):
        assert found
        assert all(1 <= one.line <= text.count("\n") + 1 for one in found)
