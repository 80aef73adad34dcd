"""Wycheproof's signed tokens (C2SP/wycheproof, Apache-2.0), read from beside the project where they are present.

Known differences, from running them: 367 and 370 repeat a valid case but are marked invalid; 372 and 373 hold a
character outside base64url but are marked valid; 346, 347, 350 and 351 use a key with another algorithm than the
one its JWK names, which RFC 8725 §3.1 forbids.
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

FOLDER = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"
DEFECTIVE = {367, 370, 372, 373, 346, 347, 350, 351}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the vectors are not beside the project")


def cases() -> Iterator[Any]:
    path = FOLDER / "json_web_signature_test.json"
    for group in json.loads(path.read_text())["testGroups"] if path.exists() else []:
        jwk = group.get("public") or group["private"]
        for test in group["tests"]:
            if test["tcId"] not in DEFECTIVE:
                yield pytest.param(jwk, test["jws"], test["result"] == "valid", id=f"{test['tcId']} {test['comment']}")


@pytest.mark.parametrize(("jwk", "token", "valid"), list(cases()))
def test_a_wycheproof_token_is_judged_as_marked(jwk: dict[str, object], token: object, *, valid: bool) -> None:
    """[RS-7515-02] [RS-7518-01]."""
    text = token if isinstance(token, str) else json.dumps(token)
    try:
        unverified = take_apart(Secret(text))
        key = KeySet.read(Fields({"keys": [jwk]}, "keys")).choose(unverified.algorithm, None)
        if key is None:
            raise InvalidToken("no key")
        believe(unverified, key)
        accepted = True
    except InvalidToken as refused:
        accepted = refused.message.startswith("token: not")  # the signature held, over text that is no JWT
    ours = named(str(jwk.get("alg"))) is not None
    assert accepted == (valid and ours)
