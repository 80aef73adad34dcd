"""Decisions at the edges of their records, where mutants of the code had survived."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import (
    LONGEST_ID,
    NEWEST,
    OLDEST,
    WINDOW,
    NonceNeeded,
    Nonces,
    Possession,
    judge_proof,
    nonce_at,
    write_proof,
)
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.dpop import Proof
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import ClientCredentialsGrant
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.serve import Api, RefreshPolicy, Role
from keyfob.server.decide.access import ApiAccess, NoAccess, decide_access, decide_client_access, permissions_of
from keyfob.server.decide.active import TokenRecords, is_active
from keyfob.server.decide.authorization_facts import ArrivalFacts
from keyfob.server.decide.authorization_request import CallbackError, PageError, check_arrival, check_request
from keyfob.server.decide.contrast import contrast
from keyfob.server.decide.device import SLOWER_BY, Pace, decide_pace
from keyfob.server.decide.limits import LONGEST_NAME, LONGEST_PARAMETER, PARAMETERS, bounded
from keyfob.server.decide.multifactor import (
    STEP,
    FactorWrong,
    check_factor,
    decide_message,
    enrolment_address,
    is_due,
    is_from_before,
    matching_step,
    one_time_code,
    read_recovery_code,
    step_of,
    write_digits,
    write_recovery_code,
)
from keyfob.server.decide.presented import Account, FactorFacts, PresentedRefreshToken, RefreshFacts, is_bound_to
from keyfob.server.decide.refresh import Refuse, Renew, decide_refresh
from keyfob.server.records import Authenticator, RefreshLogin
from keyfob.server.wire import Outcome
from keyfob.testing.example_records import FACTOR, MFA, PUSHED, REFRESH, USER
from keyfob.testing.example_tenant import CALLBACK, NATIVE, ORDERS, SIGNER, STOCK, WEB, example_config
from keyfob.testing.fake_time import NOON

SENT = replace(MFA, is_spent=False, oob_hash=b"oob", binding_hash=b"code", oob_expires_at=NOON + timedelta(minutes=5))
API = Api("https://api.example/", "Api")
SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)
CHALLENGE, VERIFIER = (
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
)
ADDRESS = "https://api.example/"
KEY = SigningKey.generate("ES256")


def test_an_early_poll_makes_the_interval_longer_and_does_not_count_as_a_poll() -> None:
    """[AS-8628-03]."""
    pace = Pace(NOON, timedelta(seconds=5))
    assert decide_pace(pace, NOON + SECOND) == ("slow_down", Pace(NOON, pace.interval + SLOWER_BY))


def test_a_newest_token_is_known_by_its_generation_and_its_secret() -> None:
    login = replace(REFRESH, generation=5, current_hashes=(b"one", b"two"))
    assert PresentedRefreshToken(5, b"one", "program").is_current(login)
    assert PresentedRefreshToken(5, b"two", "program").is_current(login)
    assert not PresentedRefreshToken(5, b"another", "program").is_current(login)
    assert not PresentedRefreshToken(4, b"one", "program").is_current(login)


def test_a_token_that_is_not_the_newest_of_a_login_that_never_rotated_was_copied() -> None:
    facts = RefreshFacts(
        record=REFRESH, client_id="program", now=NOON, token=PresentedRefreshToken(1, b"another", "program")
    )
    assert facts.is_reused()


def test_the_token_before_the_newest_is_taken_twenty_times_and_no_more() -> None:
    login = replace(REFRESH, generation=2, current_hashes=(b"new",), previous_hashes=(b"old",), rotated_at=NOON)
    shown = PresentedRefreshToken(1, b"old", "program")
    found = decide_refresh(replace(login, repeats=19), shown, RefreshPolicy(), NOON, b"new")
    assert isinstance(found, Renew)
    assert found.login.repeats == 20
    refused = decide_refresh(found.login, shown, RefreshPolicy(), NOON, b"new")
    assert isinstance(refused, Refuse)
    assert refused.reason == "reused"


def test_a_token_before_the_newest_is_known_by_its_generation_and_its_secret() -> None:
    login = replace(REFRESH, generation=5, previous_hashes=(b"before",))
    assert PresentedRefreshToken(4, b"before", "program").is_previous(login)
    assert not PresentedRefreshToken(4, b"another", "program").is_previous(login)
    assert not PresentedRefreshToken(3, b"before", "program").is_previous(login)


@pytest.mark.parametrize("later", [timedelta(), timedelta(milliseconds=400)])
def test_a_token_of_the_second_in_which_a_factor_was_set_up_is_older_than_it(later: timedelta) -> None:
    factor = Authenticator("totp|dev_1", MFA.user_id, "otp", b"", NOON + later, is_active=True)
    login = replace(MFA, created_at=NOON)
    assert is_from_before(login, [factor])
    assert not is_from_before(replace(login, created_at=NOON + SECOND), [factor])
    assert not is_from_before(login, [replace(factor, is_active=False)])


def test_a_code_of_a_message_has_six_digits_of_eight_random_bytes() -> None:
    assert write_digits((1_234_567).to_bytes(8)) == "234567"
    assert write_digits((12).to_bytes(8) + b"more") == "000012"


def test_a_code_of_a_message_is_right_once_and_its_login_is_spent() -> None:
    done = decide_message(SENT, b"oob", b"code", NOON)
    assert done == replace(SENT, is_spent=True, oob_hash=None, binding_hash=None)
    assert decide_message(replace(done), b"oob", b"code", NOON) == FactorWrong("binding_code_wrong")


@pytest.mark.parametrize(
    "login",
    [
        replace(SENT, oob_hash=None),
        replace(SENT, binding_hash=None),
        replace(SENT, oob_expires_at=None),
        replace(SENT, oob_hash=b"another"),
        replace(SENT, binding_hash=b"another"),
        replace(SENT, oob_expires_at=NOON),
    ],
)
def test_a_code_of_a_message_is_wrong_without_all_that_was_sent(login: object) -> None:
    assert decide_message(login, b"oob", b"code", NOON) == FactorWrong("binding_code_wrong")  # type: ignore[arg-type]


@pytest.mark.parametrize("shown", ["é", "", "A" * 43])
def test_a_proof_for_another_token_is_refused_whatever_its_hash_is_written_in(shown: str) -> None:
    proof = Proof("one", "GET", "https://api.example/", NOON, shown, None)
    sent = write_proof(proof, SigningKey.generate("ES256"))
    with pytest.raises(InvalidToken, match="the proof is for another token"):
        judge_proof(sent, method="GET", address="https://api.example/", now=NOON, access_token=Secret("at"))


def test_a_client_gets_the_scope_that_it_asks_for_and_else_all_that_it_was_granted() -> None:
    """RFC 6749 §4.4.2."""
    config, target, asked = example_config("https://login.example/"), Target(ORDERS), Scope.of(["read:orders"])

    found = decide_client_access(config, SIGNER, ClientCredentialsGrant(target, asked))
    assert isinstance(found, ApiAccess)
    assert found.scope == asked

    found = decide_client_access(config, SIGNER, ClientCredentialsGrant(target))
    assert isinstance(found, ApiAccess)
    assert found.scope == Scope.of(["read:orders", "write:orders"])


def test_a_login_has_expired_at_the_instant_at_which_it_expires() -> None:
    """Of its two ends the earlier counts."""
    login = replace(REFRESH, expires_at=NOON + SECOND, idle_expires_at=NOON)
    facts = RefreshFacts(record=login, client_id=login.client_id, now=NOON, token=None)
    assert facts.has_expired()
    assert not replace(facts, now=NOON - timedelta(microseconds=1)).has_expired()
    assert replace(facts, record=replace(login, expires_at=NOON, idle_expires_at=NOON + SECOND)).has_expired()


def judged(proof: Proof, nonces: Nonces | None = None) -> Possession | NonceNeeded:
    return judge_proof(write_proof(proof, KEY), method="GET", address=ADDRESS, now=NOON, nonces=nonces)


def test_a_proof_is_fresh_to_the_last_instant_and_is_kept_until_it_is_stale() -> None:
    """RFC 9449 §11.1. `iat` has whole seconds here."""
    for issued_at in (NOON - OLDEST, NOON + NEWEST):
        found = judged(Proof("x" * LONGEST_ID, "GET", ADDRESS, issued_at))
        assert isinstance(found, Possession)
        assert found.until == NOON + timedelta(minutes=2, seconds=30)
    for issued_at in (NOON - OLDEST - SECOND, NOON + NEWEST + SECOND):
        with pytest.raises(InvalidToken, match="too old, or from the future"):
            judged(Proof("one", "GET", ADDRESS, issued_at))


def test_nodes_of_every_version_agree_on_the_nonce() -> None:
    assert nonce_at(b"k" * 32, NOON) == "BlszlHxnz44HO-9ZiI4ypQ"
    assert nonce_at(b"k" * 32, NOON + timedelta(minutes=5) - INSTANT) == nonce_at(b"k" * 32, NOON)
    assert nonce_at(b"k" * 32, NOON + timedelta(minutes=5)) != nonce_at(b"k" * 32, NOON)


def test_a_nonce_is_valid_in_its_window_and_in_the_next_one() -> None:
    """RFC 9449 §8."""
    nonces = Nonces(b"k" * 32, are_needed=False)
    for ago, is_valid in [(0, True), (1, True), (2, False), (-1, False)]:
        nonce = nonce_at(nonces.key, NOON - ago * WINDOW)
        found = judged(Proof("one", "GET", ADDRESS, NOON, nonce=nonce), nonces)
        assert isinstance(found, Possession) is is_valid
    assert isinstance(judged(Proof("one", "GET", ADDRESS, NOON), nonces), Possession)
    assert judged(Proof("one", "GET", ADDRESS, NOON), replace(nonces, are_needed=True)) == NonceNeeded()


def test_the_one_time_codes_are_those_of_the_standard() -> None:
    """RFC 4226 App. D."""
    codes = [one_time_code(b"12345678901234567890", count) for count in range(10)]
    assert codes == [
        "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
    ]  # fmt: skip


def test_a_one_time_code_is_taken_one_step_early_or_late_and_never_again() -> None:
    """RFC 6238 §5.2."""
    secret, now = b"12345678901234567890", step_of(NOON)
    for step in (now - 1, now, now + 1):
        code = one_time_code(secret, step)
        assert matching_step(secret, f" {code[:3]} {code[3:]}", NOON, None) == step
        assert matching_step(secret, code, NOON, step - 1) == step
        assert matching_step(secret, code, NOON, step) is None
    for step in (now - 2, now + 2):
        assert matching_step(secret, one_time_code(secret, step), NOON, None) is None
    assert (step_of(NOON + STEP - INSTANT), step_of(NOON + STEP)) == (now, now + 1)


@pytest.mark.parametrize(
    ("policy", "factors", "is_needed"),
    [("always", 0, True), ("always", 1, True), ("enrolled", 0, False), ("enrolled", 1, True), ("never", 1, False)],
)
def test_a_second_factor_is_due_as_the_tenant_says(policy: str, factors: int, *, is_needed: bool) -> None:
    assert is_due(policy, iter([FACTOR] * factors)) is is_needed  # type: ignore[arg-type]


OPEN = replace(MFA, is_spent=False)
FACTS = FactorFacts(record=OPEN, client_id="program", now=NOON, key_thumbprint="thumbprint", account=Account(USER, API))


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, None),
        ({"lacks_code": True}, "request_malformed"),
        ({"record": None}, "mfa_token_unknown"),
        ({"client_id": "another"}, "mfa_token_unknown"),
        ({"record": MFA}, "mfa_token_unknown"),
        ({"now": MFA.expires_at - INSTANT}, None),
        ({"now": MFA.expires_at}, "mfa_token_expired"),
        ({"key_thumbprint": None}, "mfa_token_unknown"),
        ({"key_thumbprint": "another"}, "mfa_token_unknown"),
        ({"key_thumbprint": "another", "account": None}, None),
        ({"record": replace(OPEN, key_thumbprint=None)}, None),
        ({"account": Account(None, API)}, "mfa_token_unknown"),
        ({"account": Account(USER, None)}, "mfa_token_unknown"),
        ({"has_tries": False}, "attempts_many"),
        ({"wrong": "otp_wrong"}, "otp_wrong"),
        ({"wrong": "binding_code_wrong"}, "binding_code_wrong"),
        ({"wrong": "recovery_code_wrong"}, "recovery_code_wrong"),
    ],
)
def test_an_mfa_token_is_refused_with_the_first_check_that_fails(
    changed: dict[str, object], outcome: Outcome | None
) -> None:
    found = check_factor(replace(FACTS, **changed))  # type: ignore[arg-type]
    assert found == (changed.get("record", OPEN) if outcome is None else FactorWrong(outcome))


BOUND = replace(REFRESH, key_thumbprint="key", idle_expires_at=NOON + 2 * SECOND)
SHOWN = PresentedRefreshToken(1, b"current".ljust(32), "program", key_thumbprint="key")


@pytest.mark.parametrize(
    ("login", "token", "account", "reason", "ends"),
    [
        (BOUND, None, None, "unknown", False),
        (None, SHOWN, None, "unknown", False),
        (BOUND, replace(SHOWN, client_id="another"), None, "unknown", False),
        (replace(BOUND, has_ended=True), SHOWN, None, "unknown", False),
        (BOUND, replace(SHOWN, generation=0), None, "reused", True),
        (replace(BOUND, idle_expires_at=NOON), SHOWN, None, "lapsed", True),
        (BOUND, replace(SHOWN, key_thumbprint=None), None, "key", False),
        (BOUND, replace(SHOWN, key_thumbprint="another"), None, "key", False),
        (BOUND, replace(SHOWN, scope=Scope.of(["a", "b"])), None, "scope", False),
        (BOUND, SHOWN, Account(None, API), "unknown", False),
        (BOUND, SHOWN, Account(USER, None), "closed", True),
    ],
)
def test_a_refused_refresh_has_its_reason_and_ends_the_login_only_if_it_must(
    login: RefreshLogin | None, token: PresentedRefreshToken | None, account: Account | None, reason: str, *, ends: bool
) -> None:
    """RFC 9700 §4.14.2."""
    found = decide_refresh(login, token, RefreshPolicy(), NOON, b"next", account)
    assert isinstance(found, Refuse)
    assert found.reason == reason
    assert found.login == (replace(login, has_ended=True) if login and ends else None)


def test_a_refresh_keeps_the_login_alive_but_not_beyond_its_end() -> None:
    policy = RefreshPolicy(idle=timedelta(days=1))
    for expires_at, idle in ((NOON + timedelta(days=9), NOON + timedelta(days=1)), (NOON + SECOND, NOON + SECOND)):
        login = replace(BOUND, expires_at=expires_at, repeats=3, used_at=None)
        kept = replace(login, idle_expires_at=idle, used_at=NOON)
        found = decide_refresh(login, SHOWN, replace(policy, rotates=False), NOON, b"next")
        assert found == Renew(kept, login.scope, rotates=False)

        rotated = replace(
            kept, generation=2, current_hashes=(b"next",), previous_hashes=login.current_hashes, rotated_at=NOON,
            repeats=0,
        )  # fmt: skip
        assert decide_refresh(login, SHOWN, policy, NOON, b"next") == Renew(rotated, login.scope, rotates=True)

        again = decide_refresh(
            replace(rotated, used_at=None, idle_expires_at=NOON + INSTANT), SHOWN, policy, NOON, b"next"
        )
        assert again == Renew(replace(rotated, repeats=1), login.scope, rotates=True)


def test_a_renewed_token_has_the_scope_that_is_asked_for_and_still_allowed() -> None:
    login = replace(BOUND, scope=Scope.of(["a", "b"]))
    asked = replace(SHOWN, scope=Scope.of(["a"]))
    for token, account, names in (
        (SHOWN, None, {"a", "b"}),
        (asked, None, {"a"}),
        (SHOWN, Account(USER, API, Scope.of(["b", "c"])), {"b"}),
    ):
        found = decide_refresh(login, token, RefreshPolicy(), NOON, b"next", account)
        assert isinstance(found, Renew)
        assert found.scope == Scope.of(names)
        assert found.login.scope == login.scope
    assert isinstance(decide_refresh(replace(login, key_thumbprint=None), SHOWN, RefreshPolicy(), NOON, b"next"), Renew)


def test_a_recovery_code_has_a_letter_for_each_of_24_bytes() -> None:
    assert write_recovery_code(bytes(range(24)) + b"more") == "ABCDEFGHJKLMNPQRSTUVWXYZ"
    assert write_recovery_code(bytes(range(24, 48))) == "23456789ABCDEFGHJKLMNPQR"


def test_a_typed_recovery_code_is_read_without_spaces_and_dashes_and_not_beyond_its_limit() -> None:
    assert read_recovery_code(" abcd-EFGH\u2013jklm 2345.") == "ABCDEFGHJKLM2345"
    assert read_recovery_code("a" * 101) == "A" * 100


def test_an_authenticator_app_scans_all_that_it_needs() -> None:
    assert enrolment_address("A/tenant", "a/b@example.com", b"12345678901234567890") == (
        "otpauth://totp/A%2Ftenant:a%2Fb%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%2Ftenant"
        "&algorithm=SHA1&digits=6&period=30"
    )


@pytest.mark.parametrize(("users", "is_open"), [("allow_all", True), ("require_grant", True), ("deny_all", False)])
def test_an_api_that_is_closed_to_users_is_closed_to_a_client_with_a_grant_too(users: str, *, is_open: bool) -> None:
    config = example_config("https://login.example/")
    apis = tuple(replace(api, users=users) for api in config.apis)  # type: ignore[arg-type]
    found = decide_access(replace(config, apis=apis), WEB, Target(ORDERS), Scope.of(["read:orders"]))
    assert isinstance(found, ApiAccess) is is_open
    assert is_open or found == NoAccess("api_closed", {"client_id": "web", "audience": ORDERS})


@pytest.mark.parametrize(
    ("target", "is_known"),
    [
        (Target(ORDERS), True),
        (Target(ORDERS, is_resource=True), True),
        (Target("orders"), True),
        (Target("orders", is_resource=True), False),
        (Target("orders#part"), True),
        (Target(f"{ORDERS}#part", is_resource=True), False),
        (Target("another"), False),
    ],
)
def test_a_resource_is_an_address_without_a_fragment_and_an_audience_any_name(
    target: Target, *, is_known: bool
) -> None:
    """RFC 8707 §2."""
    config = example_config("https://login.example/")
    others = (replace(config.apis[0], audience=name) for name in ("orders", "orders#part", f"{ORDERS}#part"))
    found = decide_access(replace(config, apis=(*config.apis, *others)), WEB, target, Scope())
    assert isinstance(found, ApiAccess) is is_known
    assert is_known or found == NoAccess("audience_unknown", {"audience": str(target.audience)})


def test_permissions_are_those_of_the_users_roles_and_own_at_this_api_and_of_its_scopes() -> None:
    config = example_config("https://login.example/")
    roles = (
        Role("buyer", ((ORDERS, "read:orders"), (STOCK, "write:orders"))),
        Role("boss", ((ORDERS, "write:orders"),)),
    )
    stock = replace(config.apis[1], scopes={**config.apis[1].scopes, "write:orders": "the same name at another API"})
    config, orders = replace(config, roles=roles, apis=(config.apis[0], stock)), config.apis[0]
    assert permissions_of(config, replace(USER, roles=("buyer",)), orders) == ("read:orders",)
    assert permissions_of(config, replace(USER, roles=("boss", "buyer")), orders) == ("read:orders", "write:orders")
    assert permissions_of(config, replace(USER, permissions=((ORDERS, "write:orders"),)), orders) == ("write:orders",)
    assert permissions_of(config, replace(USER, permissions=((STOCK, "write:orders"),)), orders) == ()
    assert permissions_of(config, replace(USER, permissions=((ORDERS, "gone"),)), orders) == ()


def fields_of(count: int, **more: object) -> Fields:
    return Fields({f"name{number}": "x" for number in range(count)} | more, "request")


def test_a_request_has_as_many_parameters_as_the_limit_and_no_more() -> None:
    assert PARAMETERS == 100
    assert bounded(fields_of(PARAMETERS))
    with pytest.raises(Malformed, match=r"^request: there are too many parameters$"):
        bounded(fields_of(PARAMETERS + 1))


@pytest.mark.parametrize(
    ("name", "longest"), [("anything", LONGEST_PARAMETER), ("client_id", 256), ("client_secret", 1024)]
)
def test_a_parameter_is_as_long_as_its_limit_and_no_longer(name: str, longest: int) -> None:
    assert bounded(fields_of(0, **{name: "x" * longest}))
    with pytest.raises(Malformed, match=rf"^request: {name} is too long$") as refused:
        bounded(fields_of(0, **{name: "x" * (longest + 1)}))
    assert refused.value.field == name
    assert bounded(fields_of(0, **{name: 7}))


@pytest.mark.parametrize(
    ("challenge", "verifier", "is_bound"),
    [(CHALLENGE, VERIFIER, True), (CHALLENGE, None, False), (None, VERIFIER, False), (None, None, True)],
)
def test_a_verifier_comes_with_its_challenge_or_not_at_all(
    challenge: str | None, verifier: Secret | None, *, is_bound: bool
) -> None:
    """RFC 7636 App. B, RFC 9700 §4.8.2."""
    assert is_bound_to(challenge, verifier) is is_bound
    assert not is_bound_to(challenge or CHALLENGE, Secret("x" * 43))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("x" * LONGEST_NAME, "x" * LONGEST_NAME), ("x" * (LONGEST_NAME + 1), "a parameter"), ("a b", "a parameter")],
)
def test_an_error_names_a_parameter_only_if_its_name_is_short_and_plain(name: str, shown: str) -> None:
    for value in ("a\0", ["a", ["\0"]]):
        with pytest.raises(Malformed, match=rf"^request: {shown} contains U\+0000$") as refused:
            bounded(fields_of(0, **{name: value}))
        assert refused.value.field == name


NATIVE_REQUEST = {"client_id": "native", "redirect_uri": CALLBACK, "response_type": "code", "audience": ORDERS}


@pytest.mark.parametrize(
    ("changed", "mode", "state", "problem"),
    [
        ({}, "query", None, "max_age is not a number of seconds"),
        ({"state": "s", "response_mode": "form_post"}, "form_post", "s", "max_age is not a number of seconds"),
        ({"state": "", "response_mode": "fragment"}, "query", None, "max_age is not a number of seconds"),
        ({"state": ["s"], "response_mode": ["form_post"]}, "query", None, "state is not a string"),
    ],
)
def test_an_error_goes_back_by_the_way_and_with_the_state_that_the_request_names(
    changed: dict[str, object], mode: str, state: str | None, problem: str
) -> None:
    """RFC 6749 §4.1.2.1: although the rest of the request is malformed."""
    config = example_config("https://login.example/")
    found = check_request(config, Fields({**NATIVE_REQUEST, "max_age": "soon", **changed}, "request"))
    assert isinstance(found, CallbackError)
    assert (found.redirect_uri, found.response_mode, found.state) == (CALLBACK, mode, state)
    assert (found.error, found.description) == ("invalid_request", problem)


def test_the_page_says_what_is_wrong_with_a_request_that_cannot_be_read() -> None:
    facts = ArrivalFacts(Malformed("request: client_id is sent twice"), None, False, None, NOON)
    assert check_arrival(facts) == PageError("client_id is sent twice")
    assert check_arrival(replace(facts, problem=Malformed("it is no form"))) == PageError("it is no form")
    assert check_arrival(replace(facts, problem=Malformed("request: a: b"))) == PageError("a: b")
    assert check_arrival(replace(facts, problem=None)) is None


CLAIMS = AccessClaims("https://login.example/", USER.user_id, (ORDERS,), REFRESH.client_id, NOON, NOON + SECOND)
RECORDS = TokenRecords(NATIVE, USER, REFRESH, is_revoked=False)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (RECORDS, True),
        (replace(RECORDS, is_revoked=True), False),
        (replace(RECORDS, application=None), False),
        (replace(RECORDS, login=None), False),
        (replace(RECORDS, login=replace(REFRESH, has_ended=True)), False),
        (replace(RECORDS, login=replace(REFRESH, expires_at=NOON + INSTANT)), True),
        (replace(RECORDS, login=replace(REFRESH, expires_at=NOON)), False),
        (replace(RECORDS, login=replace(REFRESH, client_id="another")), False),
        (replace(RECORDS, login=replace(REFRESH, user_id="another")), False),
        (replace(RECORDS, user=None), False),
        (replace(RECORDS, user=replace(USER, is_blocked=True)), False),
    ],
)
def test_a_token_of_a_user_is_active_as_long_as_all_that_it_refers_to(records: TokenRecords, *, found: bool) -> None:
    """RFC 7662 §2.2."""
    assert is_active(CLAIMS, records, NOON) is found


def test_a_token_of_a_client_is_active_without_a_user_and_a_login() -> None:
    claims = replace(CLAIMS, subject=f"{CLAIMS.client_id}@clients")
    assert is_active(claims, TokenRecords(NATIVE, None, None, is_revoked=False), NOON)


def test_a_pushed_request_belongs_to_its_client_until_the_instant_at_which_it_expires() -> None:
    """RFC 9126 §4."""
    facts = ArrivalFacts(None, PUSHED.client_id, True, PUSHED, PUSHED.expires_at - INSTANT)
    assert not facts.is_not_pushed()
    assert replace(facts, now=PUSHED.expires_at).is_not_pushed()
    assert replace(facts, client_id="another").is_not_pushed()
    assert (facts.was_opened(), replace(facts, is_new=False).was_opened()) == (False, True)
    assert replace(facts, pushed=None).is_not_pushed()
    assert not replace(facts, is_pushed=False, pushed=None).is_not_pushed()


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#777777", 4.47809),
        ("#767676", "#ffffff", 4.54222),
        ("#0a0a0a", "#000000", 1.06071),
        ("#222222", "#000000", 1.31993),
        ("#ff0000", "#00ff00", 2.91394),
        ("#0000ff", "#ffffff", 8.59247),
    ],
)
def test_the_contrast_of_two_colours_is_that_of_the_standard(one: str, other: str, ratio: float) -> None:
    """WCAG 2.2: relative luminance."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.00002)
