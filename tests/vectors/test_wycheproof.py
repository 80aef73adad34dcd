"""Wycheproof's signed tokens (C2SP/wycheproof, Apache-2.0), read from beside the project where they are present.

Cases that are marked wrongly are listed with the reason, and judged by what the standards say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.algorithms import named
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import believe, take_apart
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret
from tests.vectors.judging import needs_vectors

FOLDER = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"
_OTHER_ALGORITHM = "the key is used with another algorithm than its JWK names, which RFC 8725 §3.1 forbids"
DEFECTIVE = {
    346: _OTHER_ALGORITHM,
    347: _OTHER_ALGORITHM,
    350: _OTHER_ALGORITHM,
    351: _OTHER_ALGORITHM,
    367: "marked invalid, and letter for letter the valid case 357: the padding that made it wrong was lost",
    370: "the same",
    372: "marked valid, and holds a character outside base64url, which RFC 7515 §2 forbids",
    373: "the same",
}

pytestmark = needs_vectors


def groups(file: str) -> list[Any]:
    path = FOLDER / file
    found: list[Any] = json.loads(path.read_text(encoding="utf-8"))["testGroups"] if path.exists() else []
    return found


def cases(*, defective: bool = False) -> Iterator[Any]:
    for group in groups("json_web_signature_test.json"):
        jwk = group.get("public") or group["private"]
        for test in group["tests"]:
            if (test["tcId"] in DEFECTIVE) is defective:
                yield pytest.param(jwk, test["jws"], test["result"] == "valid", id=f"{test['tcId']} {test['comment']}")


def encrypted() -> Iterator[Any]:
    for group in groups("json_web_encryption_test.json"):
        for test in group["tests"]:
            yield pytest.param(test["jwe"], id=f"{test['tcId']} {test['comment']}")


@pytest.mark.parametrize(("jwk", "token", "valid"), list(cases()))
def test_a_wycheproof_token_is_judged_as_marked(jwk: dict[str, object], token: object, *, valid: bool) -> None:
    """[RS-7515-02] [RS-7518-01]."""
    ours = named(str(jwk.get("alg"))) is not None
    assert is_accepted(jwk, token) == (valid and ours)


@pytest.mark.parametrize(("jwk", "token", "valid"), list(cases(defective=True)))
def test_a_case_that_is_marked_wrongly_is_refused_for_its_reason(
    jwk: dict[str, object], token: object, *, valid: bool
) -> None:
    """[RS-7515-02] [RS-8725-01]: 367 and 370 are of HS256, which no API takes here."""
    assert not is_accepted(jwk, token)


def test_every_case_that_is_marked_wrongly_is_there() -> None:
    assert len(list(cases(defective=True))) == len(DEFECTIVE)


@pytest.mark.parametrize("token", list(encrypted()))
def test_an_encrypted_token_of_wycheproof_is_refused_whether_it_is_sound_or_not(token: object) -> None:
    """[RS-8725-04]."""
    with pytest.raises(InvalidToken):
        take_apart(Secret(token if isinstance(token, str) else json.dumps(token)))


def is_accepted(jwk: dict[str, object], token: object) -> bool:
    text = token if isinstance(token, str) else json.dumps(token)
    try:
        unverified = take_apart(Secret(text))
        key = KeySet.read(Fields({"keys": [jwk]}, "keys")).choose(unverified.algorithm, None)
        if key is None:
            raise InvalidToken("no key")
        believe(unverified, key)
    except InvalidToken as refused:
        return refused.message.startswith("token: not")  # the signature held, over text that is no JWT
    return True
