"""Edits of other programs' files: only lines of keyfob come and go."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.cli.tools.edits import JsonMember, LauncherFile, MarkedBlock
from keyfob.errors import Misuse

BLOCK = MarkedBlock("git https://a.example", ("[credential]", "\thelper = x"))
LISTED = MarkedBlock(
    "kubectl a", ("- name: k", "  user: {}"), after=re.compile(r"users:\s*$"), heading=("users:",),
    no_place=re.compile(r"users:\s*[^#\s]|\s*\{"),
)  # fmt: skip
IN_SECTION = MarkedBlock(
    "pip", ("keyring-provider = subprocess",), after=re.compile(r"\[global\]\s*$"), heading=("[global]",),
    refuses=re.compile(r"\s*keyring-provider\s*="),
)  # fmt: skip
AT_TOP = MarkedBlock("uv", ("a = 1",), at_top=True)
BLOCKS = (BLOCK, LISTED, IN_SECTION, AT_TOP)
LINES = st.lists(st.sampled_from(["", "a", "users:", "- name: x", "  - name: y", "[global]", "# note", "\tb = c"]))


@given(st.sampled_from(BLOCKS), LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_taken_back_leaves_the_file_as_it_was(
    block: MarkedBlock, lines: list[str], end: str, has_end: bool
) -> None:
    text = end.join(lines) + (end if has_end and lines else "")
    if "\r" in end and "\r\n" not in text:
        text = ""

    once = block.apply(text)

    assert once is not None
    assert block.apply(once) == once
    assert (block.undo(once) or "") == text
    assert block.lines[-1].strip() in once


def test_other_lines_keep_their_places() -> None:
    before = "# mine\n[user]\n\tname = me\n"

    assert BLOCK.apply(before) == before + (
        "# keyfob: begin git https://a.example\n[credential]\n\thelper = x\n# keyfob: end git https://a.example\n"
    )
    assert BLOCK.undo(BLOCK.apply(None)) is None


def test_a_block_is_replaced_where_it_stands() -> None:
    once = BLOCK.apply("[a]\n")
    assert once is not None
    changed = MarkedBlock(BLOCK.name, ("[credential]", "\thelper = y"))

    assert changed.apply(f"{once}[b]\n") == once.replace("= x", "= y") + "[b]\n"


def test_an_item_has_the_indentation_of_the_list() -> None:
    text = "users:\n  - name: other\n    user: {}\nkind: Config\n"

    assert LISTED.apply(text) == (
        "users:\n# keyfob: begin kubectl a\n  - name: k\n    user: {}\n# keyfob: end kubectl a\n"
        "  - name: other\n    user: {}\nkind: Config\n"
    )
    assert LISTED.apply("kind: Config\n") == (
        "kind: Config\n# keyfob: begin kubectl a\nusers:\n- name: k\n  user: {}\n# keyfob: end kubectl a\n"
    )


@pytest.mark.parametrize("text", ["users: []\n", '{"users": []}\n', "users: [{name: a}]\n"])
def test_a_file_in_another_form_is_left_alone(text: str) -> None:
    assert LISTED.apply(text) is None
    assert LISTED.undo(text) == text


def test_a_setting_of_the_users_own_is_not_overwritten() -> None:
    with pytest.raises(Misuse, match="not keyfob's"):
        IN_SECTION.apply("[global]\nkeyring-provider = import\n")
    with pytest.raises(Misuse, match="another value"):
        JsonMember("credHelpers", "r", "keyfob").apply('{"credHelpers": {"r": "ecr-login"}}')
    with pytest.raises(Misuse, match="not keyfob's"):
        LauncherFile("keyfob helper keyring").apply("#!/usr/bin/python3\n")


@pytest.mark.parametrize(
    "text", ["# keyfob: begin uv\na = 1\n", "# keyfob: end uv\n", "# keyfob: end uv\n# keyfob: begin uv\n"]
)
def test_marks_that_were_changed_are_not_guessed_at(text: str) -> None:
    for edit in (AT_TOP.apply, AT_TOP.undo):
        with pytest.raises(Misuse, match="were changed"):
            edit(text)


MEMBER = JsonMember("credHelpers", "registry.example.com", "keyfob")


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
def test_the_other_members_of_a_json_file_stay_as_they_are(indent: int | str | None) -> None:
    text = json.dumps({"auths": {"r": {"auth": "c2VjcmV0"}}, "credHelpers": {"a": "b"}, "é": 1}, indent=indent,
                      ensure_ascii=False)  # fmt: skip

    once = MEMBER.apply(text)

    assert once is not None
    assert json.loads(once)["credHelpers"] == {"a": "b", "registry.example.com": "keyfob"}
    assert MEMBER.apply(once) == once
    assert MEMBER.undo(once) == text


def test_a_json_file_that_was_not_there_has_only_the_member() -> None:
    once = MEMBER.apply(None)

    assert once == '{\n\t"credHelpers": {\n\t\t"registry.example.com": "keyfob"\n\t}\n}\n'
    assert json.loads(MEMBER.undo(once) or "{}") == {}
    assert MEMBER.undo('{"credHelpers": {"registry.example.com": "other"}}') == (
        '{"credHelpers": {"registry.example.com": "other"}}'
    )


@pytest.mark.parametrize("text", ["[]", '"a"', '{"credHelpers": []}', "{", "nonsense"])
def test_a_file_that_is_not_as_docker_writes_it_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        MEMBER.apply(text)


def test_a_launcher_is_made_and_removed_and_no_other_program_is() -> None:
    launcher = LauncherFile("/bin/keyfob helper bazel")

    assert launcher.apply(None) == '#!/bin/sh\n# keyfob: made by keyfob setup\nexec /bin/keyfob helper bazel "$@"\n'
    assert launcher.undo(launcher.apply(None)) is None
    assert launcher.undo("#!/bin/sh\n") == "#!/bin/sh\n"
