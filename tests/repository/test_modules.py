"""Every file is short, and has a docstring and a specific name. Secrets are revealed only in listed modules."""

import ast
import re
from collections import Counter

import pytest

from tools.source import ROOT, TESTS, Module, modules

LONGEST = 400
BANNED = {"base", "common", "core", "handler", "helpers", "manager", "misc", "types", "util", "utils"}
STANDARD = re.compile(r"RFC \d{4,5}|OpenID Connect|OIDC|Auth0")
# Parts of messages, not messages.
NO_MESSAGES = {"__init__", "http", "fields", "secret"}

# The modules that can call `Secret.reveal`, with the reasons. Review every addition.
MAY_REVEAL = {
    "cli/keyring_backend.py",  # the access token is the password
    "client/io/sdk/azure_credential.py",  # these give the access token to an SDK
    "client/io/sdk/plain_token.py",
    "client/io/sdk/globus_authorizer.py",
    "client/io/sdk/google_credentials.py",
    "client/io/sdk/mcp_storage.py",
    "cli/walkthrough.py",  # shows the temporary password; writes a temporary secret into a file
    "cli/serving.py",  # shows the password of a ready tenant
    "cli/tenant/people.py",  # shows a generated password once
    "cli/tenant/programs.py",  # shows a generated client secret once
    "client/model/stored_login.py",  # writes the vault entry
    "client/flows/mfa.py",  # the mfa_token in the Authorization header, and the typed code without spaces
    "cli/events.py",  # shows a new recovery code once
    "client/flows/browser.py",  # parses the pasted text
    "client/io/terminal/terminal.py",  # shows a new recovery code once
    "client/io/state_files.py",  # stores a pending login for another process
    "client/flows/given_token.py",  # parses the token on stdin
    "client/flows/password.py",  # the typed name
    "client/model/login_state.py",  # the same
    "client/io/vault/vault_file.py",  # writes the access token into the quick file
    "client/auth/dpop.py",  # the key from the vault, and proofs in their header
    "client/session/login.py",  # the access token in the Authorization header
    "jose/opaque.py",
    "jose/tokens.py",
    "login/aio.py",  # Session.token returns the access token
    "login/session.py",  # Session.token returns the access token
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
    "server/decide/browser_login.py",  # the recovery code in the encrypted state
    "server/endpoints/pages/second_factor.py",  # the recovery code on its page
    "server/endpoints/pages/account.py",  # a new recovery code on its page
    "server/endpoints/pages/browser.py",  # the session's cookie
    "server/endpoints/oauth/factors.py",  # the mfa_token in the response
    "server/endpoints/oauth/mfa.py",  # the oob_code in the response
    "server/endpoints/oauth/token_mfa.py",  # compares the typed code
    "server/io/passwords.py",
    "server/io/smtp.py",  # logs in at the mail server
    "server/keyed_hash.py",
    "server/settings/password_rules.py",  # checks its length
}

EVERY_MODULE = pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)
EVERY_MESSAGE_MODULE = pytest.mark.parametrize(
    "module",
    [module for module in modules("protocol") if module.path.stem not in NO_MESSAGES],
    ids=lambda module: module.place,
)


@EVERY_MODULE
def test_a_module_has_at_most_400_lines(module: Module) -> None:
    assert module.length <= LONGEST


@EVERY_MODULE
def test_a_module_has_a_docstring(module: Module) -> None:
    assert module.first_line


@EVERY_MODULE
def test_a_module_name_is_not_a_vague_word(module: Module) -> None:
    assert not BANNED.intersection(module.name.split("."))


@pytest.mark.parametrize("package", ["cli", "client", "resource", "server"])
def test_a_file_name_is_used_once_in_a_package(package: str) -> None:
    names = Counter(module.path.name for module in modules(package) if module.path.name != "__init__.py")

    assert names
    assert [name for name, uses in names.items() if uses > 1] == []


def test_a_class_name_is_used_once() -> None:
    """Only `keyfob.login.aio` repeats names: it is `keyfob.login` with `await`."""
    names = Counter(
        node.name
        for module in modules()
        if module.place != "login/aio.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, uses in names.items() if uses > 1] == []


@EVERY_MESSAGE_MODULE
def test_a_protocol_module_names_its_standard_in_the_first_line(module: Module) -> None:
    assert STANDARD.search(module.first_line)


def test_a_secret_is_revealed_only_in_listed_modules() -> None:
    revealing = {
        module.place
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    }

    # keyfob.testing is exempt.
    assert {place for place in revealing if not place.startswith("testing/")} <= MAY_REVEAL


def test_the_list_of_revealing_modules_has_no_dead_names() -> None:
    assert {module.place for module in modules()} >= MAY_REVEAL


# Tests start the programs in peers/, which can wait.
EVERY_TEST = sorted(path for path in TESTS.rglob("*.py") if "peers" not in path.parts)


@pytest.mark.parametrize("path", EVERY_TEST, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_test_file_has_no_class_no_mock_and_no_sleep(path: object) -> None:
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
                # `asyncio.sleep(0)` does not wait; it lets other tasks run.
                assert isinstance(wait, ast.Constant), f"line {node.lineno}"
                assert wait.value == 0, f"line {node.lineno}"
            case _:
                pass
