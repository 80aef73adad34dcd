"""What users import: pinned, light, and taken from the wheel that they would install."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import keyfob
from tools import api
from tools.house import ROOT, modules

# A guard stands in somebody else's API: it brings neither the other roles nor what only they need.
NOT_FOR_A_GUARD = [
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

# What a guard loads when it comes to that: a key to be read, an issuer to be asked, a proof to be judged.
NOT_BEFORE_IT_IS_WANTED = [
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


def loaded_by(statement: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.split())


def test_the_public_surface_is_the_one_that_was_agreed() -> None:
    assert api.page() == api.PAGE.read_text(encoding="utf-8"), "if the change is meant: make api"


def test_a_guard_brings_neither_client_nor_server() -> None:
    loaded = loaded_by("import keyfob.guard")

    assert "keyfob.guard" in loaded
    assert loaded.isdisjoint(NOT_FOR_A_GUARD)


GUARD = "import keyfob.guard as k\nguard = k.Guard(issuer='https://login.example/', audience='a')\n"


@pytest.mark.parametrize("statement", ["import keyfob.guard", GUARD], ids=["the door", "a guard"])
def test_a_guard_loads_what_it_may_never_need_when_it_needs_it(statement: str) -> None:
    assert loaded_by(statement).isdisjoint(NOT_BEFORE_IT_IS_WANTED)


@pytest.mark.parametrize(
    ("asked", "brings"),
    [
        ("guard.wsgi(None)", set[str]()),
        ("guard.asgi(None)", set[str]()),
        ("guard.requires()", {"starlette"}),
        ("guard.flask()", {"flask"}),
        ("guard.django()", {"django"}),
        ("guard.drf_permission", set[str]()),
    ],
)
def test_an_adapter_brings_its_own_framework_and_no_other(asked: str, brings: set[str]) -> None:
    frameworks = {"django", "fastapi", "flask", "rest_framework", "starlette"}

    assert loaded_by(GUARD + asked) & frameworks == brings


# All that a door loads before its first use: this of the standard library with what it needs, this of ours, no other.
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


@pytest.mark.parametrize("door", OURS)
def test_a_door_loads_before_its_first_use_these_modules_and_no_other(door: str) -> None:
    assert loaded_by(f"import {door}") - loaded_by(STANDARD[door]) == OURS[door]


def test_the_classes_that_every_program_names_load_no_work_that_is_not_wanted_yet() -> None:
    assert loaded_by("from keyfob.guard import Guard") == loaded_by("import keyfob.guard")
    app = loaded_by("from keyfob.login import App")
    wanted_later = [
        "asks",
        "drive",
        "io",
        "model.notices",
        "model.stored_login",
        "ports",
        "session.login",
        "session.session",
    ]
    assert app.isdisjoint({f"keyfob.client.{name}" for name in wanted_later})
    assert app.isdisjoint({"asyncio", "cryptography", "email", "logging", "secrets", "socket", "ssl"})


LATE = ["guard", "login/__init__"]


@pytest.mark.parametrize("place", LATE)
def test_what_a_door_shows_is_what_type_checkers_are_told(place: str) -> None:
    """The imports that a checker reads, and the table from which names are loaded when they are asked for."""
    tree = ast.parse((ROOT / "src" / "keyfob" / f"{place}.py").read_text(encoding="utf-8"))
    door = importlib.import_module(f"keyfob.{place.removesuffix('/__init__')}")
    imported, own = api.imported(tree), {name for statement in tree.body for name in api.own_names(statement)}

    for name in door.__all__:
        if name not in own:
            home, there = imported[name]
            assert getattr(door, name) is getattr(importlib.import_module(home), there)
        assert name in dir(door)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = door.Nothing


@pytest.mark.parametrize("door", ["keyfob.guard", "keyfob.login"])
def test_all_that_a_door_shows_comes_with_a_star(door: str) -> None:
    shown = set(importlib.import_module(door).__all__)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"from {door} import *\nprint(*globals())"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown <= set(ran.stdout.split())


def test_the_package_itself_loads_nothing_of_ours() -> None:
    assert {name for name in loaded_by("import keyfob") if name.startswith("keyfob")} == {"keyfob"}


@pytest.mark.skipif("KEYFOB_TEST_WHEEL" not in os.environ, reason="only `make test` builds and installs the wheel")
def test_what_is_tested_is_the_wheel_and_not_the_source() -> None:
    installed = Path(keyfob.__file__).parent

    assert not installed.is_relative_to(ROOT / "src")
    assert {path.relative_to(installed).as_posix() for path in installed.rglob("*.py")} == {
        module.place for module in modules()
    }


@pytest.mark.skipif("KEYFOB_TEST_WHEEL" not in os.environ, reason="only `make test` builds and installs the wheel")
def test_all_that_is_not_code_is_in_the_wheel_too() -> None:
    installed, source = Path(keyfob.__file__).parent, ROOT / "src" / "keyfob"

    for path in source.rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert (installed / path.relative_to(source)).is_file(), path.name
