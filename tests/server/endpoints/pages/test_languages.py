"""The pages in each language: the same texts, and the language that a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest

import keyfob.server
from keyfob.protocol.http import Request
from keyfob.protocol.language import LANGUAGES, accepted_language
from keyfob.server.io.render import initials, texts_of
from keyfob.testing.scene import ISSUER, Scene

TEMPLATES = sorted(Path(str(files("keyfob.server.io").joinpath("templates"))).glob("*.*"))
SERVER = Path(str(keyfob.server.__file__)).parent
SOURCES = [*sorted(SERVER.glob("endpoints/**/*.py")), SERVER / "io" / "render.py"]


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_language_has_the_same_texts_with_the_same_values() -> None:
    english = texts_of("en")
    for language in LANGUAGES:
        texts = texts_of(language)
        assert texts.keys() == english.keys()
        for key, text in texts.items():
            assert values_in(text) == values_in(english[key]), key
            assert text.strip() == text != "", key


def used_keys() -> Iterator[str]:
    """Each key that a template or an endpoint names, and a prefix for those that are put together."""
    for path in TEMPLATES:
        yield from re.findall(r"[\"']([a-z_]+\.[a-z_]*)[\"']", path.read_text())
    for path in SOURCES:
        text = path.read_text()
        yield from (f"problem.{name}" for name in re.findall(r"problem=\"([a-z_]+)\"", text))
        yield from (f"told.{name}" for name in re.findall(r"told=\"([a-z_]+)\"", text))
        yield from (f"problem.{name}" for name in re.findall(r"(?:Final = |, |: )\"([a-z_]+)\"", text))


def test_every_text_that_a_page_names_exists_and_each_is_used() -> None:
    keys, texts = set(used_keys()), texts_of("en")
    named = {key for key in keys if not key.endswith(".") and key.partition(".")[0] in tables_of()}
    unknown = {key for key in named - texts.keys() if not key.startswith("problem.")}
    assert not {key for key in unknown if "html" not in key and "txt" not in key}
    whole = "\n".join(path.read_text() for path in [*TEMPLATES, *SOURCES])
    for key in texts:
        table, _, name = key.partition(".")
        is_joined = (f'"{table}."' in whole or f'"{table}.{{' in whole) and (name in whole or table == "mail")
        assert key in whole or is_joined, f"{key} is not used"


def tables_of() -> set[str]:
    return {key.partition(".")[0] for key in texts_of("en")}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr, de;q=0.3", "de"),
        ("de;q=0, fr", "en"),
        ("de;q=0.2, en;q=0.7", "en"),
        ("DE-ch", "de"),
        ("*", "en"),
        (";;;q=,,de;q=x", "en"),
        ("x," * 5000 + "de", "en"),
        ("de;q=nan", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_prefers(header: str, language: str) -> None:
    assert accepted_language(header) == language


def test_a_page_is_shown_in_german(scene: Scene) -> None:
    answer = scene.send(Request("GET", f"{ISSUER}activate", (("accept-language", "de"),)))
    assert b'<html lang="de">' in answer.body
    assert "Gerät verbinden".encode() in answer.body
    wrong = scene.send(Request("GET", f"{ISSUER}activate?user_code=XXXX-XXXX", (("accept-language", "de"),)))
    assert b"Problem: " in wrong.body


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Northwind CLI", "NC"), ("keyfob", "K"), ("", "?"), ("- x", "X"), ("éclair über alles", "ÉÜ"), ("(a) b", "B")],
)
def test_an_app_without_an_icon_has_initials(name: str, shown: str) -> None:
    assert initials(name) == shown
