"""Wycheproof's keys and its older mixed set (C2SP/wycheproof, Apache-2.0), where they are present.

Each file comes with the exact list of cases that keyfob judges otherwise than they are marked, and its words for it. A
case that is judged as marked must leave the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.vectors.judging import HOLDS, judge, keys_of, needs_vectors, read

SYMMETRIC = "the token's algorithm is not on the list"  # HS256: an API would hold the key that signs
ENCRYPTED = "the token is not a signed JWT"  # we take no JWE
# ROCA: the chip that made the key was flawed. Whose key it is has to replace it; a signature by it does hold.
ROCA = HOLDS

EXCEPTIONS = {
    "json_web_key_test": {2: SYMMETRIC, 13: SYMMETRIC, 14: SYMMETRIC, 15: SYMMETRIC, 7: ROCA},
    "json_web_crypto_test": {1: SYMMETRIC, 48: SYMMETRIC, 46: ROCA, 50: ENCRYPTED, 67: ENCRYPTED},
}

pytestmark = needs_vectors


def groups(file: str) -> list[Any]:
    return read(f"wycheproof/{file}.json").get("testGroups", [])


def cases() -> Iterator[Any]:
    for file in EXCEPTIONS:
        for group in groups(file):
            jwk = group.get("public") or group["private"]
            for test in group["tests"]:
                yield pytest.param(file, jwk, test, id=f"{file} {test['tcId']} {test['comment']}")


@pytest.mark.parametrize(("file", "jwk", "test"), list(cases()))
def test_a_wycheproof_key_is_used_as_marked(file: str, jwk: dict[str, object], test: dict[str, Any]) -> None:
    """[RS-7517-01] [RS-7518-01] [RS-8725-01]."""
    verdict = judge(test["jws"] if "jws" in test else test["jwe"], keys_of(jwk))
    is_as_marked = (verdict == HOLDS) == (test["result"] == "valid")
    known = EXCEPTIONS[file].get(test["tcId"])
    assert is_as_marked == (known is None), verdict
    assert known in {None, verdict}


@pytest.mark.parametrize("file", EXCEPTIONS)
def test_every_exception_is_a_case_of_its_file(file: str) -> None:
    assert {test["tcId"] for group in groups(file) for test in group["tests"]} >= EXCEPTIONS[file].keys()


@pytest.mark.parametrize("file", EXCEPTIONS)
def test_what_is_marked_valid_and_is_of_a_kind_that_we_speak_holds(file: str) -> None:
    """Else a verifier that refuses everything would pass nearly all of the above."""
    held = [
        test["tcId"]
        for group in groups(file)
        for test in group["tests"]
        if test["result"] == "valid" and test["tcId"] not in EXCEPTIONS[file]
    ]
    assert held == {"json_web_key_test": [5], "json_web_crypto_test": [18, 33]}[file]
