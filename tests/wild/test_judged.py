"""Libraries of others judge our tenant's tokens, and forgeries of them: an API of theirs is as safe as one of ours."""

from tests.wild.judged import Bench, refuses, takes

# Where a library has a word for each reason, it is the right one: a token is not refused by accident.
SAID = {
    "jose": {
        "for another API": "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "expired": "ERR_JWT_EXPIRED",
        "changed signature": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "changed payload": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "alg none": "ERR_JOSE_ALG_NOT_ALLOWED",
        "alg NoNe": "ERR_JOSE_ALG_NOT_ALLOWED",
        "HS256 with the public key": "ERR_JOSE_ALG_NOT_ALLOWED",
        "unknown kid": "ERR_JWKS_NO_MATCHING_KEY",
        "rubbish": "ERR_JWS_INVALID",
        "empty": "ERR_JWS_INVALID",
        "none": "ERR_JWS_INVALID",
    },
    "PyJWT": {
        "for another API": "InvalidAudienceError",
        "expired": "ExpiredSignatureError",
        "changed signature": "InvalidSignatureError",
        "changed payload": "InvalidSignatureError",
        "alg none": "InvalidAlgorithmError",
        "alg NoNe": "InvalidAlgorithmError",
        "HS256 with the public key": "InvalidAlgorithmError",
        "unknown kid": "PyJWKClientError",
        "rubbish": "DecodeError",
        "empty": "DecodeError",
        "none": "DecodeError",
    },
    "auth0-api-python": {"empty": "MissingAuthorizationError", "none": "MissingAuthorizationError"},
    "express-oauth2-jwt-bearer": {"empty": "InvalidRequestError", "none": "UnauthorizedError"},
    "Authlib": {"empty": "unsupported_token_type", "none": "missing_authorization"},
}
OTHERWISE = {
    "auth0-api-python": "VerifyAccessTokenError",
    "express-oauth2-jwt-bearer": "invalid_token",
    "Authlib": "invalid_token",
}


@takes(("good, a person's", "good, a machine's"), "express-oauth2-jwt-bearer", "auth0-api-python", "PyJWT", "jose")
def test_a_good_token_is_taken(bench: Bench, judge: str, token: str) -> None:
    verdict = bench.verdict(judge, token)
    assert verdict["takes"], verdict
    assert str(verdict["sub"]).startswith("auth0|") is (token == "good, a person's")
    assert len(bench.calls) == 15


@takes(("good, a person's", "good, a machine's"), "Authlib", wires=("rfc",))
def test_a_good_token_of_rfc_9068_is_taken(bench: Bench, judge: str, token: str) -> None:
    assert bench.verdict(judge, token)["takes"], bench.verdict(judge, token)


@refuses(("good, a person's", "good, a machine's"), "Authlib", wires=("auth0",))
def test_a_good_token_of_auth0_s_profile_is_not_one_of_rfc_9068(bench: Bench, judge: str, token: str) -> None:
    assert bench.verdict(judge, token) == {"takes": False, "said": "invalid_token", "status": 401}


@refuses(("without the scope",), "express-oauth2-jwt-bearer")
def test_a_token_without_the_scope_is_forbidden(bench: Bench, judge: str, token: str) -> None:
    verdict = bench.verdict(judge, token)
    assert (verdict["takes"], verdict["status"], verdict["said"]) == (False, 403, "insufficient_scope")


@refuses(("without the scope",), "Authlib", wires=("rfc",))
def test_a_token_of_rfc_9068_without_the_scope_is_forbidden(bench: Bench, judge: str, token: str) -> None:
    verdict = bench.verdict(judge, token)
    assert (verdict["takes"], verdict["status"], verdict["said"]) == (False, 403, "insufficient_scope")


@takes(("without the scope",), "auth0-api-python", "PyJWT", "jose")
def test_some_leave_the_scope_to_the_api(bench: Bench, judge: str, token: str) -> None:
    assert bench.verdict(judge, token)["takes"]


@refuses(
    ("for another API", "expired", "changed signature", "changed payload", "alg none", "alg NoNe",
     "HS256 with the public key", "unknown kid", "rubbish", "empty", "none"),
    "express-oauth2-jwt-bearer", "auth0-api-python", "PyJWT", "jose",
)  # fmt: skip
def test_a_token_that_will_not_do_is_refused(bench: Bench, judge: str, token: str) -> None:
    verdict = bench.verdict(judge, token)
    assert (verdict["takes"], verdict["said"]) == (False, SAID[judge].get(token) or OTHERWISE[judge])


@refuses(
    ("for another API", "expired", "changed signature", "changed payload", "alg none", "alg NoNe",
     "HS256 with the public key", "unknown kid", "rubbish", "empty", "none"),
    "Authlib", wires=("rfc",),
)  # fmt: skip
def test_a_token_of_rfc_9068_that_will_not_do_is_refused(bench: Bench, judge: str, token: str) -> None:
    verdict = bench.verdict(judge, token)
    assert (verdict["takes"], verdict["said"]) == (False, SAID[judge].get(token) or OTHERWISE[judge])


@refuses(("in the query",), "auth0-api-python")
def test_a_token_in_the_query_is_not_seen(bench: Bench, judge: str, token: str) -> None:
    assert bench.verdict(judge, token) == bench.verdict(judge, "none")


@refuses(("in the query",), "Authlib", wires=("rfc",))
def test_a_token_of_rfc_9068_in_the_query_is_not_seen(bench: Bench, judge: str, token: str) -> None:
    assert bench.verdict(judge, token) == bench.verdict(judge, "none")


@takes(("in the query",), "express-oauth2-jwt-bearer")
def test_one_takes_a_token_in_the_query(bench: Bench, judge: str, token: str) -> None:
    """RFC 9700 §4.3.2 forbids sending it there; our guard does not look."""
    assert bench.verdict(judge, token)["takes"]
