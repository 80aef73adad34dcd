"""Each file is small, says what it is for, and is called by what it is."""

import ast
import re

import pytest

from tools.house import ROOT, TESTS, Module, modules

LONGEST = 400
BANNED = {"base", "common", "core", "handler", "helpers", "manager", "misc", "types", "util", "utils"}
STANDARD = re.compile(r"RFC \d{4,5}|OpenID Connect|OIDC|Auth0")
# These shape what travels and are not on the wire themselves.
NOT_ON_THE_WIRE = {"__init__", "http", "fields", "secret"}

# The modules that may open a `Secret`. Whoever adds one here says in review why the secret has to be seen there.
MAY_REVEAL = {
    "cli/walkthrough.py",  # the throw-away password is shown; a throw-away secret goes into a file
    "cli/serving.py",  # the same password of a ready tenant
    "cli/tenant/people.py",  # a password that was made is shown once
    "cli/tenant/programs.py",  # a client secret that was made is shown once
    "client/model/stored_login.py",  # into the vault
    "client/flows/mfa.py",  # a mfa_token into the Authorization header, and what was typed without its spaces
    "cli/events.py",  # a recovery code that was made is shown once
    "client/flows/browser.py",  # what was pasted is taken apart
    "client/io/terminal/terminal.py",  # a recovery code that was made is shown once
    "client/io/state/pending_files.py",  # a login that waits is kept for another process
    "client/flows/password.py",  # the name that was typed
    "client/model/pending_login.py",  # the same
    "client/io/vault/quick_file.py",  # into the quick file: the access token only
    "client/auth/dpop.py",  # a key out of the vault, and proofs into their header
    "client/session/login.py",  # into the Authorization header
    "jose/opaque.py",
    "jose/tokens.py",
    "login/aio.py",  # Session.token gives a program its token
    "login/session.py",  # Session.token gives a program its token
    "protocol/client_authentication.py",
    "protocol/device.py",
    "protocol/dpop.py",
    "protocol/grants.py",
    "protocol/introspection.py",
    "protocol/multifactor.py",
    "protocol/pkce.py",
    "protocol/revocation.py",
    "protocol/secret.py",
    "protocol/tokens.py",
    "server/endpoints/pages/browser.py",  # into the session's cookie
    "server/endpoints/oauth/factors.py",  # the mfa_token goes to the program
    "server/endpoints/oauth/mfa.py",  # the same for the oob_code
    "server/endpoints/oauth/token_mfa.py",  # what was typed is compared
    "server/io/passwords.py",
    "server/keyed_hash.py",
    "server/settings/users.py",  # its length is looked at
}

EVERY_MODULE = pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)
EVERY_WIRE_MODULE = pytest.mark.parametrize(
    "module",
    [module for module in modules("protocol") if module.path.stem not in NOT_ON_THE_WIRE],
    ids=lambda module: module.place,
)


@EVERY_MODULE
def test_a_module_is_short_enough_to_be_read_in_one_sitting(module: Module) -> None:
    assert module.length <= LONGEST


@EVERY_MODULE
def test_a_module_says_what_it_is_for_in_one_line(module: Module) -> None:
    assert module.first_line


@EVERY_MODULE
def test_a_module_is_called_by_what_it_is(module: Module) -> None:
    assert not BANNED.intersection(module.name.split("."))


@EVERY_WIRE_MODULE
def test_a_wire_module_names_its_standard_first(module: Module) -> None:
    assert STANDARD.search(module.first_line)


def test_a_secret_is_opened_only_where_it_has_to_be() -> None:
    openers = {
        module.place
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    }

    # The workshop may do as it likes.
    assert {place for place in openers if not place.startswith("testing/")} <= MAY_REVEAL


def test_the_list_of_those_who_may_open_a_secret_has_no_dead_names() -> None:
    assert {module.place for module in modules()} >= MAY_REVEAL


# Beside a test stand the programs it starts; those wait as such programs do.
EVERY_TEST = sorted(path for path in TESTS.rglob("*.py") if "peers" not in path.parts)


@pytest.mark.parametrize("path", EVERY_TEST, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_test_is_a_sentence_with_no_class_no_mock_and_no_sleep(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef(name=name):
                assert not name.startswith("Test"), f"line {node.lineno}"
            case ast.Import(names=names):
                assert not any(alias.name.startswith("unittest") for alias in names), f"line {node.lineno}"
            case ast.ImportFrom(module=module):
                assert not (module or "").startswith("unittest"), f"line {node.lineno}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time" | "asyncio"), attr="sleep"), args=[wait]):
                # `asyncio.sleep(0)` waits for nobody: it lets the others have their turn.
                assert isinstance(wait, ast.Constant), f"line {node.lineno}"
                assert wait.value == 0, f"line {node.lineno}"
            case _:
                pass
