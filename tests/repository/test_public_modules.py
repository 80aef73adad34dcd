"""The names and the imports of the public modules are pinned, and the tests use the built wheel."""

import ast
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import keyfob
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.login import App
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer
from tools import api
from tools.source import ROOT, modules

# A guard runs in the API of a user: it does not load the other roles or their dependencies.
NEVER_IN_A_GUARD = [
    "keyfob.client",
    "keyfob.login",
    "keyfob.serve",
    "keyfob.server",
    "argon2",
    "django",
    "fastapi",
    "flask",
    "httpx2",
    "jinja2",
    "rest_framework",
    "sqlite3",
    "starlette",
    "uvicorn",
]

# A guard loads these on first use: to read a key, to send a request to an issuer, to validate a proof.
NOT_BEFORE_FIRST_USE = [
    "asyncio",
    "cryptography.hazmat.backends",
    "cryptography.hazmat.primitives.ciphers",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
    "joserfc",
    "keyfob.io",
    "keyfob.jose.certificates",
    "keyfob.jose.opaque",
    "keyfob.jose.proofs",
    "keyfob.jose.sealed",
    "keyfob.protocol.dpop",
    "keyfob.protocol.introspection",
    "keyfob.protocol.metadata",
    "keyfob.resource.io.introspect",
    "logging",
]


def loaded_by(statement: str, *arguments: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.split())


def test_the_public_surface_is_the_one_that_was_agreed() -> None:
    assert api.page() == api.PAGE.read_text(encoding="utf-8"), "if the change is meant: make api"


def test_a_guard_loads_neither_client_nor_server() -> None:
    loaded = loaded_by("import keyfob.guard")

    assert "keyfob.guard" in loaded
    assert loaded.isdisjoint(NEVER_IN_A_GUARD)


GUARD = "import keyfob.guard as k\nguard = k.Guard(issuer='https://login.example/', audience='a')\n"


@pytest.mark.parametrize("statement", ["import keyfob.guard", GUARD], ids=["the module", "a guard"])
def test_a_guard_loads_what_it_may_never_need_on_first_use(statement: str) -> None:
    assert loaded_by(statement).isdisjoint(NOT_BEFORE_FIRST_USE)


@pytest.mark.parametrize(
    ("adapter", "frameworks"),
    [
        ("guard.wsgi(None)", set[str]()),
        ("guard.asgi(None)", set[str]()),
        ("guard.requires()", {"starlette"}),
        ("guard.flask()", {"flask"}),
        ("guard.django()", {"django"}),
        ("guard.drf_permission", set[str]()),
    ],
)
def test_an_adapter_loads_its_own_framework_and_no_other(adapter: str, frameworks: set[str]) -> None:
    every_framework = {"django", "fastapi", "flask", "rest_framework", "starlette"}

    assert loaded_by(GUARD + adapter) & every_framework == frameworks


# The modules that a public module loads: those of STANDARD with their dependencies, and OURS.
STANDARD = {
    "keyfob.guard": "from __future__ import annotations\n"
    "import collections.abc, dataclasses, datetime, importlib, ipaddress, json, math, re, typing, urllib.parse",
    "keyfob.login": "from __future__ import annotations\nimport collections.abc, importlib, typing",
}
OURS = {
    "keyfob.guard": {
        "keyfob",
        "keyfob.errors",
        "keyfob.guard",
        "keyfob.jose",
        "keyfob.jose.algorithms",
        "keyfob.lazy",
        "keyfob.light",
        "keyfob.protocol",
        "keyfob.protocol.address",
        "keyfob.protocol.claims",
        "keyfob.protocol.fields",
        "keyfob.protocol.scope",
        "keyfob.resource",
        "keyfob.resource.io",
        "keyfob.resource.io.clock",
        "keyfob.resource.policy",
    },
    "keyfob.login": {"keyfob", "keyfob.lazy", "keyfob.login"},
}


@pytest.mark.parametrize("public", OURS)
def test_importing_a_public_module_loads_these_modules_and_no_other(public: str) -> None:
    assert loaded_by(f"import {public}") - loaded_by(STANDARD[public]) == OURS[public]


def test_importing_a_guard_loads_no_more_than_its_module() -> None:
    assert loaded_by("from keyfob.guard import Guard") == loaded_by("import keyfob.guard")


APP = "from keyfob.login import App"
APP_MADE = f"{APP}\napp = App(issuer='https://login.example/', client_id='cli', home=pathlib.Path(sys.argv[1]))"
STORED_TOKEN = f"{APP_MADE}\nassert app.session().token() == 'a-token'"
# The modules of keyfob.client that importing App loads, those that making one adds, and those that its token adds.
CLIENT = {
    APP: {"", "model", "model.assurance"},
    APP_MADE: {
        "io", "io.vault", "io.vault.files", "io.vault.lock", "io.vault.seals", "io.vault.vault_file", "model.callback",
        "model.credential", "model.presets", "model.profile", "model.source", "model.storage_choice",
        "model.stored_login",
    },
    STORED_TOKEN: {
        "auth", "auth.credentials", "io.clocks", "io.world", "model.moment", "ports", "session", "session.freshness",
        "session.login", "session.renewal", "session.storage",
    },
}  # fmt: skip
# Each takes 2 ms to 70 ms. `pathlib` and `json` come with an App that is made.
NOT_FOR_A_STORED_TOKEN = {
    "asyncio", "cryptography", "email", "httpx2", "keyfob.io.http", "keyfob.protocol.grants", "keyfob.protocol.http",
    "keyfob.protocol.metadata", "logging", "secrets", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile",
}  # fmt: skip
NOT_FOR_APP = {"datetime", "hashlib", "json", "pathlib", "urllib.parse"}


def test_app_its_creation_and_a_stored_token_load_these_modules_and_no_other(tmp_path: Path) -> None:
    expected: set[str] = set()
    store_login(tmp_path)
    for statement, more in CLIENT.items():
        loaded = loaded_by(f"import sys\n{'' if statement == APP else 'import pathlib'}\n{statement}", str(tmp_path))
        expected |= {f"keyfob.client.{name}".removesuffix(".") for name in more}

        assert {name for name in loaded if f"{name}.".startswith("keyfob.client.")} == expected
        assert loaded.isdisjoint(NOT_FOR_A_STORED_TOKEN | (NOT_FOR_APP if statement == APP else set[str]()))


def store_login(home: Path) -> None:
    profile = App(issuer="https://login.example/", client_id="cli").profile
    issuer = StrictIssuer(profile.issuer)
    run(FileVault(home).save(profile.name, replace(issuer.log_in(profile), access_token=Secret("a-token"))))


def test_the_list_of_commands_loads_no_command_and_no_parser() -> None:
    asked = "import contextlib, io, sys\nsys.argv = ['keyfob', '--help']\nfrom keyfob.__main__ import main\n"
    loaded = loaded_by(f"{asked}with contextlib.redirect_stdout(io.StringIO()):\n    assert main() == 0\n")

    assert {name for name in loaded if name.startswith("keyfob.cli.")} == {
        "keyfob.cli.main",
        "keyfob.cli.exit_codes",
        "keyfob.cli.manual",
        "keyfob.cli.output",
    }
    assert {name for name in loaded if name.startswith("keyfob.client.")} == {
        "keyfob.client.model",
        "keyfob.client.model.display",
    }
    assert loaded.isdisjoint({"argparse", "dataclasses", "datetime", "hashlib", "inspect", "json", "pathlib", "shutil"})


SDKS = ("azure", "botocore", "globus_sdk", "google", "keyring", "mcp")


def test_a_session_loads_an_sdk_only_for_its_adapter(tmp_path: Path) -> None:
    store_login(tmp_path)
    session = f"import pathlib, sys\n{APP_MADE}\nsession = app.session()\n"
    assert loaded_by(f"{session}import keyfob.login.aio", str(tmp_path)).isdisjoint(SDKS)
    for name, sdks in (("azure", {"azure"}), ("google", {"google"}), ("globus", {"globus_sdk"}), ("mcp", {"mcp"}),
                       ("botocore", set[str]())):  # fmt: skip
        assert loaded_by(f"{session}session.auth_for_{name}()", str(tmp_path)) & set(SDKS) == sdks


LAZY = ["guard", "login/__init__"]


@pytest.mark.parametrize("place", LAZY)
def test_a_public_module_exports_what_type_checkers_see(place: str) -> None:
    """The imports below TYPE_CHECKING and the table of lazy names are the same."""
    tree = ast.parse((ROOT / "src" / "keyfob" / f"{place}.py").read_text(encoding="utf-8"))
    public = importlib.import_module(f"keyfob.{place.removesuffix('/__init__')}")
    imported, own = api.imported(tree), {name for statement in tree.body for name in api.own_names(statement)}

    for name in public.__all__:
        if name not in own:
            home, there = imported[name]
            assert getattr(public, name) is getattr(importlib.import_module(home), there)
        assert name in dir(public)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = public.Nothing


@pytest.mark.parametrize("public", ["keyfob.guard", "keyfob.login"])
def test_a_star_import_brings_every_public_name(public: str) -> None:
    names = set(importlib.import_module(public).__all__)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"from {public} import *\nprint(*globals())"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert names <= set(ran.stdout.split())


def test_importing_the_package_loads_no_module_of_it() -> None:
    assert {name for name in loaded_by("import keyfob") if name.startswith("keyfob")} == {"keyfob"}


@pytest.mark.skipif("KEYFOB_TEST_WHEEL" not in os.environ, reason="only `make test` builds and installs the wheel")
def test_the_tests_use_the_wheel_and_not_the_source() -> None:
    installed = Path(keyfob.__file__).parent

    assert not installed.is_relative_to(ROOT / "src")
    files = (path.relative_to(installed).as_posix() for path in installed.rglob("*.py"))
    # `keyfob new` copies the example.
    assert {file for file in files if not file.startswith("examples/")} == {module.place for module in modules()}


@pytest.mark.skipif("KEYFOB_TEST_WHEEL" not in os.environ, reason="only `make test` builds and installs the wheel")
def test_data_files_are_in_the_wheel_too() -> None:
    installed, source = Path(keyfob.__file__).parent, ROOT / "src" / "keyfob"

    for path in source.rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert (installed / path.relative_to(source)).is_file(), path.name


def lazy_modules(tree: ast.Module) -> dict[str, str]:
    """Return the modules that are bound to a `LazyModule`, by the names that they have in the file."""
    return {
        node.targets[0].id: node.value.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "LazyModule"
        and isinstance(node.value.args[0], ast.Constant)
        and isinstance(node.value.args[0].value, str)
    }


def checked_modules(tree: ast.Module) -> dict[str, str]:
    """Return the modules that a file imports for type checkers only, by the names that they have in the file."""
    return {
        name.asname or name.name: f"{statement.module}.{name.name}"
        if isinstance(statement, ast.ImportFrom)
        else name.name
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        if isinstance(statement, ast.ImportFrom | ast.Import)
        for name in statement.names
    }


def test_type_checkers_see_the_module_that_is_loaded_on_first_use() -> None:
    files = [(module, found) for module in modules() if (found := lazy_modules(module.tree))]
    assert sum(len(found) for _, found in files) > 20
    for module, found in files:
        checked = checked_modules(module.tree)
        assert {name: checked.get(name) for name in found} == found, module.path
        for name in found.values():
            assert importlib.util.find_spec(name), name
