"""The generated reference is complete: names, commands, flags, requirements and settings."""

import ast
import re

import pytest

from keyfob.cli.commands.completion import find_words
from tools import api, commands, diagrams, python_api, standards, tables
from tools.source import modules
from tools.traces import FLOWS, Exchange

SOURCE = {module.name: module for module in modules()}
SECRET = re.compile(r"eyJ|[A-Za-z0-9_-]{40,}|correct horse")


@pytest.mark.parametrize("name", api.IMPORTABLE)
def test_each_public_name_has_its_place_on_the_page_of_its_module(name: str) -> None:
    headings = re.findall(r"^##+ (\S+)$", python_api.page(name, SOURCE), re.MULTILINE)

    assert set(api.public_names(SOURCE[name])) <= set(headings)


def test_each_command_and_verb_is_listed_with_its_flags() -> None:
    parts = re.split(r"^##+ keyfob ", commands.page(), flags=re.MULTILINE)[1:]
    sections = {part.partition("\n")[0]: part for part in parts}
    words = [word for top in find_words() for word in top.all()]

    assert list(sections) == [" ".join(word.path) for word in words]
    for word in words:
        listed = set(re.findall(r"`(--[a-z-]+)`", sections[" ".join(word.path)]))
        assert {flag.name for flag in word.flags} - {"--help"} <= listed


def test_each_requirement_is_on_the_page_of_its_standard() -> None:
    headings = [
        (standards.file_name(one), name)
        for one in standards.STANDARDS
        for name in re.findall(r"^### (\S+)$", standards.standard_page(one, {}, []), re.MULTILINE)
    ]
    required = [(standards.file_name(standards.standard_of(one)), one["id"]) for one in standards.requirements()]

    assert sorted(headings) == sorted(required)


def test_the_diagrams_name_what_is_sent_and_hold_no_value() -> None:
    drawn = diagrams.files()

    assert len(drawn) == len(FLOWS) + 2  # the page, and the steps
    assert [path.name for path, text in drawn.items() if SECRET.search(text)] == []
    assert "grant_type=device_code" in drawn[diagrams.FOLDER / "flow-device.svg"]
    assert "authorization_pending" in drawn[diagrams.FOLDER / "flow-device.svg"]


def test_what_a_party_sends_before_it_answers_is_drawn_between() -> None:
    inner = Exchange("api", "server", "GET /keys", answer="200 keys")
    outer = Exchange("app", "api", "GET /orders", answer="200 orders", before_answer=[inner])
    texts = re.findall(r">([^<]+)</text>", diagrams.sequence("Call", [outer]))

    assert texts[-4:] == ["GET /orders", "GET /keys", "200 keys", "200 orders"]


def test_pages_that_follow_each_other_are_one_arrow() -> None:
    pages = [Exchange("browser", "server", f"GET /{name}", ["state"], "200 a page") for name in ("a", "b", "b")]

    [one] = diagrams.joined(pages)

    assert (one.sent, one.answer) == ("/a /b", "200 a page")


def test_a_long_signature_has_a_line_for_each_parameter() -> None:
    def shown(text: str) -> str:
        [function] = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        return python_api.signature(function.name, function, is_method=False)

    assert shown("def f(a, /, b=1, *c, d: int = 2, **e) -> int: ...") == "f(a, /, b=1, *c, d: int = 2, **e) -> int"
    assert shown("async def f(*, a): ...") == "await f(*, a)"
    assert shown(f"def f(a: {'x' * 60}, b: {'y' * 60}): ...").count("\n") == 3


def test_the_sections_of_a_docstring_become_lists() -> None:
    docstring = (
        "Do it.\n\nArgs:\n    a: The first,\n        on two lines.\n    b: The second.\n\nRaises:\n    Misuse: Never."
    )

    assert python_api.prose(docstring) == (
        "Do it.\n\nArgs:\n\n- `a`: The first, on two lines.\n- `b`: The second.\n\nRaises:\n\n- `Misuse`: Never."
    )


TENANT = (
    "### [tenant]\n\n| key | what | default | |\n| --- | --- | --- | --- |\n| `name` | odd | odd | shown |\n\n## Next\n"
)


def test_a_setting_without_a_description_is_reported() -> None:
    with pytest.raises(SystemExit, match="add a row with a description of wire, "):
        tables.settings(TENANT)


def test_a_page_without_its_table_is_reported() -> None:
    with pytest.raises(SystemExit, match="one table that begins with the column member"):
        tables.audit("# The audit log\n")


def test_rows_are_replaced_and_the_words_around_them_stay() -> None:
    assert tables.with_table(f"Before.\n\n{TENANT}", "key", [("`a`", "b", "c", "d")]) == (
        f"Before.\n\n{TENANT}".replace("| `name` | odd | odd | shown |", "| `a` | b | c | d |")
    )
