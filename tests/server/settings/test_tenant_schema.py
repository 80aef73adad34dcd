"""The JSON Schema of tenant.toml: valid, up to date, and of one opinion with the reader."""

import ast
import copy
import json
import re
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft6Validator, Draft202012Validator

from keyfob.cli.tenant.example import EXAMPLE
from keyfob.server.settings.schema import ARRAYS, REFRESH, TENANT
from keyfob.server.settings.stored_settings import read_tables, write_tables
from keyfob.server.settings.tenant_file import TenantFile, any_secret, read_tenant_file
from keyfob.server.settings.users import USER, check_against, read_people
from keyfob.server.start import ready_config
from tests.server.settings.test_stored_settings import configs
from tests.server.settings.test_tenant_file import GOOD, ISSUER, TABLE
from tools.source import ROOT
from tools.tenant_schema import FILE, text

SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
TABLES = {"tenant": TENANT, **{name: found for name, (_, found, _) in ARRAYS.items()}, "users": USER}


def refused(tables: dict) -> list[str]:
    """What the schema refuses, as paths."""
    return [error.json_path for error in VALIDATOR.iter_errors(tables)]


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == text()


def test_the_schema_is_valid_and_readable_for_editors_of_older_drafts() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft6Validator.check_schema(SCHEMA)


def test_every_key_is_described_and_no_other_is_allowed() -> None:
    sections = {name: SCHEMA["properties"][name] for name in TABLES}
    for name, found in TABLES.items():
        table = sections[name].get("items", sections[name])
        assert table["additionalProperties"] is False
        assert set(table["properties"]) == {*found.keys, *found.extra, *(["issuer"] if name == "tenant" else [])}
        assert all(one["description"].strip() for one in table["properties"].values())
    assert set(SCHEMA["properties"]) == set(TABLES)


def is_whole_file(written: object) -> bool:
    try:
        return isinstance(written, str) and "\n[[applications]]\n" in written and bool(tomllib.loads(written))
    except tomllib.TOMLDecodeError:
        return False


def files_of_tests() -> list[str]:
    """Every tenant.toml that other tests contain as a text."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        written = path.read_text(encoding="utf-8")
        if "[[applications]]" in written and path.parent != ROOT / "tests" / "server" / "settings":
            constants = [one.value for one in ast.walk(ast.parse(written)) if isinstance(one, ast.Constant)]
            found += [one for one in constants if is_whole_file(one)]
    return found


def uncommented(example: str) -> str:
    """The example with the tables and keys that it shows in comments."""
    return re.sub(r"^# (?=\[\[|[a-z_]+ = )", "", example, flags=re.MULTILINE)


@pytest.mark.parametrize("example", [EXAMPLE, uncommented(EXAMPLE), GOOD, "", *files_of_tests()])
def test_every_example_is_right(example: str) -> None:
    assert refused(tomllib.loads(example)) == []


def test_there_are_examples_in_the_tests() -> None:
    assert len(files_of_tests()) > 1
    assert uncommented(EXAMPLE).count("[[applications]]") == 2


@given(configs())
def test_what_is_exported_is_right(config: object) -> None:
    assert refused(json.loads(json.dumps(write_tables(config)))) == []


def test_the_ready_tenant_is_right() -> None:
    assert refused(write_tables(replace(ready_config(ISSUER)))) == []


# What only the reader can know: sizes of lengths of time, what exists, what goes together, what a URL, a key or
# a picture file holds.
BEYOND = re.compile(
    "longer than|not positive|shorter than two days|token_lifetime is not between|' is not defined$"
    "|is defined twice|a machine needs an auth method|plain http|there is no (such|role|API|scope)"
    "|application is public|auth_methods is empty|with another auth method|need each other|needs callbacks"
    "|client_credentials: it cannot authenticate|fewer than|: key: |a certificate|callback '|is not a network"
    "|includes every client|has the client_id of an application|neither a picture"
)


@pytest.mark.parametrize("case", TABLE, ids=[str(number) for number in range(len(TABLE))])
def test_a_mistake_of_form_is_one_for_the_schema_too(case: tuple[str, int, str, str]) -> None:
    found = read_tenant_file(case[0], issuer=ISSUER, resolve=any_secret)
    try:
        tables = tomllib.loads(case[0])
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    messages = [] if isinstance(found, TenantFile) else [one.message for one in found]
    assert bool(refused(tables)) == any(not BEYOND.search(one) for one in messages), messages


FULL = tomllib.loads("""
[[applications]]
client_id = "cli"
name = "CLI"
refresh = { idle = "1d" }
secrets = []
[[apis]]
audience = "https://a.example/"
name = "A"
[[grants]]
client_id = "cli"
audience = "https://a.example/"
[[roles]]
name = "r"
[[connections]]
name = "Username-Password-Authentication"
[[users]]
email = "pat@example.com"
[tenant]
name = "T"
""")
# Floats that are whole numbers are left out: JSON has one kind of number, so a schema cannot tell 1.0 from 1.
SCALARS: list[object] = [
    *("", "x", "15m", "1h30m", "1 d", "5", "m", "true", "otp", "auth0", "rfc9068", "ES256", "none", "device_code"),
    *("client_secret_post", "#12ab34", "https://a.example/", "ftp://a.example/", "pat@example.com", "auth0|1"),
    *("x@clients", "a|b", "dns:a", "a" * 65, "A" * 43, True, False, -1, 0, 1, 8, 15, 64, 65, 300),
    *(2**31 - 1, 2**31, 0.5, 1.5, -0.5),
]
NAMES = ["env", "file", "keyed", "hash", "idle", "rotates", "kty", "d", "read:orders", "a b", "x"]
LISTS = [[], *([one] for one in SCALARS[:25]), *([{name: "x"}] for name in NAMES), [{"kty": 1}], [[]], [{}]]
OBJECTS = [{}, *({name: one} for name in NAMES for one in ("x", "", True, ["x"])), {"keyed": "A" * 43}]
SIMPLE = [*SCALARS, *LISTS, *OBJECTS]
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)
KEYS = [(name, key) for name, found in TABLES.items() for key in (*found.keys, *found.extra, "issuer", "else")]
KEYS += [("refresh", key) for key in (*REFRESH.keys, "else")]
MISSING = object()


def disagreement(name: str, key: str, value: object) -> str:
    """Put a value into a whole file, and compare what the schema and the reader say of its form."""
    tables = copy.deepcopy(FULL)
    inside = tables["applications"][0]["refresh"] if name == "refresh" else tables[name]
    table = inside[0] if isinstance(inside, list) else inside
    table.pop(key, None)
    if value is not MISSING:
        table[key] = value
    messages: list[str] = []

    def report(_: object, message: str, __: str) -> None:
        messages.append(message)

    people = read_people(tables, any_secret, report)
    config = read_tables(tables, issuer=ISSUER, resolve=any_secret, report=report)
    if config is not None:
        check_against([((), person) for person in people], config, report)
    wrong = refused(tables)
    if wrong and not messages:
        return f"the schema refuses {value!r}, and keyfob takes it"
    of_form = [one for one in messages if not BEYOND.search(one)]
    return f"keyfob says {of_form} to {value!r}, and the schema takes it" if of_form and not wrong else ""


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_schema_and_reader_agree_on_simple_values_of_each_key(name: str, key: str) -> None:
    assert list(filter(None, [disagreement(name, key, value) for value in [MISSING, *SIMPLE]])) == []


@given(st.sampled_from(KEYS), VALUES)
def test_schema_and_reader_agree_on_the_form(where: tuple[str, str], value: object) -> None:
    assert disagreement(*where, value) == ""
