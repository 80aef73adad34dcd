"""The JOSE cookbook (RFC 7520, with RFC 7797 and RFC 8037; ietf-jose/cookbook, Unlicense), where it is present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keyfob.errors import Malformed
from keyfob.jose.algorithms import named
from keyfob.jose.keys import KeySet, PublicKey
from keyfob.jose.tokens import Unverified, take_apart
from keyfob.protocol.secret import Secret
from tests.vectors.judging import HOLDS, VECTORS, judge, judge_signature, keys_of, needs_vectors, read
from tests.vectors.plain import decoded

BOOK = "jose-cookbook"
RS256 = "4_1.rsa_v15_signature"
NOT_LISTED = "the token's algorithm is not on the list"
NO_JWT = "the token is not a signed JWT"
# The header names another algorithm, or has b64 (RFC 7797), which must come with crit; we know no critical extension.
REFUSED = {
    "jws/4_2.rsa-pss_signature": NOT_LISTED,  # PS384
    "jws/4_3.ecdsa_signature": NOT_LISTED,  # ES512
    "jws/4_4.hmac-sha2_integrity_protection": NOT_LISTED,  # HS256
    "jws/4_5.signature_with_detached_content": NOT_LISTED,  # HS256 too; the text without its content is below
    "curve25519/jws": NOT_LISTED,  # EdDSA does not say which curve; RFC 9864 puts Ed25519 in its place
    "rfc7797/hmac-sha2_b64_false": "the token has a critical extension that we do not know",
}
PUBLIC_RSA, PRIVATE_RSA = "3_3.rsa_public_key", "3_4.rsa_private_key"
UNREADABLE = (
    "3_1.ec_public_key",  # P-521
    "3_2.ec_private_key",
    "3_5.symmetric_key_mac_computation",
    "3_6.symmetric_key_encryption",
)

pytestmark = needs_vectors


def page(name: str) -> Any:
    return read(f"{BOOK}/{name}.json")


def folder(name: str) -> list[str]:
    return sorted(f"{name}/{path.stem}" for path in (VECTORS / BOOK / name).glob("*.json"))


def key_of(figure: Any) -> KeySet:
    """As its issuer would publish it: without the private part."""
    private = {"d", "p", "q", "dp", "dq", "qi"}
    return keys_of({name: value for name, value in figure["input"]["key"].items() if name not in private})


def json_forms() -> Iterator[Any]:
    for name in [*folder("jws"), "curve25519/jws", *folder("rfc7797")]:
        found = page(name)
        for form in ("json", "json_flat"):
            if form in found.get("output", {}):
                yield pytest.param(found["output"][form], id=f"{name} {form}")


def test_the_figure_of_rs256_holds() -> None:
    """RFC 7520 §4.1."""
    figure = page(f"jws/{RS256}")
    token, keys = figure["output"]["compact"], key_of(figure)
    assert judge(token, keys) == HOLDS
    assert take_apart(Secret(token)).payload.decode() == figure["input"]["payload"]
    assert judge(token, key_of(page("curve25519/jws"))) == "no key fits"


def test_the_figure_of_rs256_with_another_payload_does_not_hold() -> None:
    figure = page(f"jws/{RS256}")
    header, payload, signature = figure["output"]["compact"].split(".")
    assert judge(f"{header}.{payload[:-4]}.{signature}", key_of(figure)) == "the token's signature does not hold"


def test_the_figure_of_rs256_without_its_payload_does_not_hold() -> None:
    """RFC 7515 App. F, as the figure of RFC 7520 §4.5 does it."""
    figure = page(f"jws/{RS256}")
    header, _, signature = figure["output"]["compact"].split(".")
    assert judge(f"{header}..{signature}", key_of(figure)) == "the token's signature does not hold"


@pytest.mark.parametrize("name", REFUSED)
def test_a_figure_that_we_do_not_speak_is_refused_for_its_header(name: str) -> None:
    """[RS-8725-01]."""
    figure = page(name)
    assert judge(figure["output"]["compact"], key_of(figure)) == REFUSED[name]


def test_every_figure_in_compact_form_is_judged_here() -> None:
    names = [*folder("jws"), "curve25519/jws", *folder("rfc7797")]
    compact = {name for name in names if "compact" in page(name)["output"]}
    assert compact == {f"jws/{RS256}", *REFUSED}


@pytest.mark.parametrize("form", list(json_forms()))
def test_the_json_serialisations_are_no_tokens_whoever_signed_them(form: dict[str, object]) -> None:
    """RFC 7520 §4.5-4.8, several signatures included. A token is compact (RFC 7519 §3)."""
    assert judge(form, key_of(page(f"jws/{RS256}"))) == NO_JWT


@pytest.mark.parametrize("name", folder("jwe"))
def test_an_encrypted_token_is_no_signed_one(name: str) -> None:
    """[RS-8725-04]: RFC 7520 §5."""
    figure = page(name)
    for form in figure["output"].values():
        assert judge(form, KeySet()) == NO_JWT


def test_a_signed_token_in_an_encrypted_one_is_refused_outside_and_inside() -> None:
    """[RS-8725-04]: RFC 7520 §6. What is inside is PS256, which holds; it comes out only where somebody decrypts."""
    figure = page("6.nesting_signatures_and_encryption")
    for form in figure["encrypt"]["output"].values():
        assert judge(form, KeySet()) == NO_JWT
    inside = figure["sign"]["output"]["compact"]
    assert judge(inside, key_of(figure["sign"])) == HOLDS
    assert judge(inside, key_of(page(f"jws/{RS256}"))) == "the token's signature does not hold"


def test_a_token_that_is_encrypted_by_key_agreement_is_refused() -> None:
    """[RS-8725-04]: RFC 8037 App. A.6."""
    for form in page("curve25519/ecdh-es")["output"].values():
        assert judge(form, KeySet()) == NO_JWT


def test_the_signature_of_rfc_8037_holds_once_its_algorithm_is_called_ed25519() -> None:
    """RFC 8037 App. A.5; the header says EdDSA, which RFC 9864 deprecates, so the token itself is refused above."""
    figure = page("curve25519/jws")
    signed, signature = figure["signing"]["sig-input"], figure["signing"]["sig"]
    part = Unverified("Ed25519", None, "", signed.encode(), figure["input"]["payload"].encode(), decoded(signature))
    assert named("EdDSA") is None
    assert judge_signature(part, key_of(figure)) == HOLDS
    changed = replace(part, signing_input=part.signing_input + b"A")
    assert judge_signature(changed, key_of(figure)) == "the token's signature does not hold"


@pytest.mark.parametrize("name", [PUBLIC_RSA, PRIVATE_RSA])
def test_an_rsa_key_of_the_cookbook_is_read_as_a_public_one(name: str) -> None:
    """RFC 7520 §3.3-3.4. Whoever publishes a private key by mistake is still understood, and it is not kept."""
    key = PublicKey.read(page(f"jwk/{name}"))
    assert (key.key_id, key.key_type, key.algorithm) == ("bilbo.baggins@hobbiton.example", "RSA", None)
    assert (key.fits("RS256"), key.fits("PS256"), key.fits("ES256")) == (True, True, False)
    assert not hasattr(key.handle, "private_numbers")
    assert judge(page(f"jws/{RS256}")["output"]["compact"], KeySet((key,))) == HOLDS


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_key_of_the_cookbook_that_we_do_not_verify_with_is_refused(name: str) -> None:
    """[RS-7517-01] [RS-8725-01]: RFC 7520 §3.1-3.2, §3.5-3.6."""
    jwk = page(f"jwk/{name}")
    with pytest.raises(Malformed, match="not of a kind we verify with"):
        PublicKey.read(jwk)
    assert keys_of(jwk).keys == ()


def test_every_key_of_the_cookbook_is_read_here() -> None:
    assert {name.partition("/")[2] for name in folder("jwk")} == {PUBLIC_RSA, PRIVATE_RSA, *UNREADABLE}
