"""Edits of other programs' files: only lines of keyfob come and go."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.cli.tools.edits import JsonMember, LauncherFile, ListedUser, MarkedBlock
from keyfob.errors import Misuse

BLOCK = MarkedBlock("git https://a.example", ("[credential]", "\thelper = x"))
LISTED = ListedUser("keyfob-a", ("- name: keyfob-a", "  user: {}"))
IN_SECTION = MarkedBlock(
    "pip", ("keyring-provider = subprocess",), after=re.compile(r"\[global\]\s*$"), heading=("[global]",),
    refuses=re.compile(r"\s*keyring-provider\s*="),
)  # fmt: skip
AT_TOP = MarkedBlock("uv", ("a = 1",), at_top=True)
BLOCKS = (BLOCK, IN_SECTION, AT_TOP)
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


OTHER = "kind: Config\nusers:\n{0}- name: other\n{0}  user: {{}}\ncontexts: []\n"
MORE = OTHER.replace("contexts", "{0}- name: more\n{0}  user:\n{0}    token: x\ncontexts")


@pytest.mark.parametrize("indent", ["", "  "])
@pytest.mark.parametrize("form", [OTHER, MORE, OTHER.rstrip("\n"), MORE.replace("\n", "\r\n")])
def test_a_user_is_added_to_a_kubeconfig_and_taken_back(form: str, indent: str) -> None:
    text = form.format(indent)
    end = "\r\n" if "\r" in form else "\n"

    once = LISTED.apply(text)

    assert once == text.replace(f"users:{end}", f"users:{end}{indent}- name: keyfob-a{end}{indent}  user: {{}}{end}")
    assert LISTED.apply(once) == once
    assert LISTED.undo(once) == text
    assert LISTED.undo(text) == text


@pytest.mark.parametrize("empty", ["users: null", "users: []", "users:", "users: ~"])
def test_a_kubeconfig_without_users_gets_one(empty: str) -> None:
    once = LISTED.apply(f"kind: Config\n{empty}\npreferences: {{}}\n")

    assert once == "kind: Config\nusers:\n- name: keyfob-a\n  user: {}\npreferences: {}\n"
    assert LISTED.undo(once) == "kind: Config\nusers: null\npreferences: {}\n"


def test_a_user_of_an_older_setup_is_replaced_also_after_kubectl_has_written_the_file() -> None:
    before = "contexts:\n- name: keyfob-a\n  context: {}\nusers:\n- name: other\n- name: keyfob-a\n"
    text = f"{before}  user:\n    exec:\n      args:\n      - x\n\n- name: z\n"

    assert LISTED.apply(text) == f"{before}  user: {{}}\n- name: z\n"


def test_a_kubeconfig_that_was_not_there_is_gone_again() -> None:
    assert LISTED.apply(None) == "users:\n- name: keyfob-a\n  user: {}\n"
    assert LISTED.undo(LISTED.apply(None)) is None


@pytest.mark.parametrize("text", ['{"users": []}\n', "users: [{name: a}]\n"])
def test_a_file_in_another_form_is_left_alone(text: str) -> None:
    assert LISTED.apply(text) is None
    assert LISTED.undo(text) == text


def test_a_setting_of_the_users_own_is_not_overwritten() -> None:
    with pytest.raises(Misuse, match="keyfob did not write it"):
        IN_SECTION.apply("[global]\nkeyring-provider = import\n")
    with pytest.raises(Misuse, match="another value"):
        JsonMember("credHelpers", "r", "keyfob").apply('{"credHelpers": {"r": "ecr-login"}}')
    with pytest.raises(Misuse, match="keyfob did not write it"):
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
