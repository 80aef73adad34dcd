"""Where the vectors lie, and how one is put to keyfob."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, believe, take_apart
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
HOLDS = "the signature holds"
NO_KEY = "no key fits"

MISSING = (
    "the official vectors are not part of the repository: put the files of Wycheproof (testvectors) into"
    " ../shared/vectors/wycheproof and the IETF's JOSE cookbook into ../shared/vectors/jose-cookbook"
)
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason=MISSING)


def read(name: str) -> Any:
    """A file of vectors, or nothing of it where it is absent: then a table of cases is empty."""
    path = VECTORS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keys_of(jwk: Mapping[str, object]) -> KeySet:
    """From a JWK or a JWK set."""
    return KeySet.read(Fields(jwk if "keys" in jwk else {"keys": [jwk]}, "keys"))


def judge(token: object, keys: KeySet) -> str:
    """What keyfob says of a token: that its signature holds, or why not. An object is sent as its JSON."""
    try:
        unverified = take_apart(Secret(token if isinstance(token, str) else json.dumps(token)))
        key = keys.choose(unverified.algorithm, unverified.key_id)
    except InvalidToken as refused:
        return refused.message
    return NO_KEY if key is None else judge_signature(unverified, KeySet((key,)))


def judge_signature(unverified: Unverified, keys: KeySet) -> str:
    """As `judge`, of a token that is taken apart already, with the only key."""
    try:
        believe(unverified, keys.keys[0])
    except InvalidToken as refused:
        # The signature is checked first, and these vectors sign text that is no JWT.
        return HOLDS if refused.message.startswith("token: not") else refused.message
    return HOLDS
