"""Whom an issuer's answer is about, beside the ID token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows.id_token import check_userinfo
from keyfob.errors import Malformed
from keyfob.protocol.http import Request, Response, json_response
from keyfob.testing.scene import ISSUER, Scene
from tools.source import ROOT


@pytest.mark.parametrize(
    "answer",
    [
        json_response(200, {"sub": "auth0|sam", "name": "Mallory"}),
        json_response(200, {"sub": "AUTH0|pat", "name": "Mallory"}),
        json_response(200, {"sub": "auth0|pat ", "name": "Mallory"}),
        json_response(200, {"sub": ["auth0|pat"], "name": "Mallory"}),
        json_response(200, {"sub": "", "name": "Mallory"}),
        json_response(200, {"sub": None, "name": "Mallory"}),
        json_response(200, {"name": "Mallory"}),
        json_response(200, {}),
        Response(200, (("content-type", "application/jwt"),), b"e30.eyJzdWIiOiJhdXRoMHxwYXQifQ."),
        Response(200, (), b'"auth0|pat"'),
        Response(200),
    ],
    ids=lambda answer: answer.body.decode(),
)
def test_an_answer_about_somebody_else_or_nobody_is_refused_whole(answer: Response) -> None:
    """[C-OIDC-04]"""
    with pytest.raises(Malformed) as raised:
        check_userinfo(answer, "auth0|pat")
    assert "Mallory" not in f"{raised.value!r} {raised.value.hint}"


@given(st.text(min_size=1), st.text(min_size=1))
def test_only_the_same_person_is_the_same_person(said: str, subject: str) -> None:
    """[C-OIDC-04]: no case, no space and no form of Unicode makes two names one."""
    try:
        check_userinfo(json_response(200, {"sub": said}), subject)
    except Malformed:
        assert said != subject
    else:
        assert said == subject


def test_a_tenant_says_of_a_login_the_person_that_its_id_token_names() -> None:
    """[C-OIDC-04]"""
    scene = Scene()
    subject = scene.log_in("openid", "read:orders").subject
    assert subject is not None
    answer = scene.app(None, "openid", "read:orders").session().send(Request("GET", f"{ISSUER}userinfo"))
    check_userinfo(answer, subject)


def test_nobody_reads_such_an_answer_without_that_check() -> None:
    """[C-OIDC-04]: whoever asks there is in this list, and calls `check_userinfo`."""
    package = ROOT / "src" / "keyfob"
    roles = [*package.glob("client/**/*.py"), *package.glob("login/**/*.py"), *package.glob("cli/**/*.py")]
    readers = {
        path.relative_to(package).as_posix(): path
        for path in roles
        if ".userinfo_endpoint" in path.read_text(encoding="utf-8")
    }

    assert list(readers) == ["cli/commands/status.py"]
    assert all("check_userinfo(" in path.read_text(encoding="utf-8") for path in readers.values())
