"""Decisions at the edges of their records, where mutants of the code had survived."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import judge_proof, write_proof
from keyfob.protocol.dpop import Proof
from keyfob.protocol.grants import ClientCredentialsGrant
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.server.decide.access import ApiAccess, decide_client_access
from keyfob.server.decide.device import SLOWER_BY, Pace, decide_pace
from keyfob.server.decide.multifactor import FactorWrong, decide_message, is_from_before, write_digits
from keyfob.server.decide.presented import PresentedRefreshToken, RefreshFacts
from keyfob.server.records import Authenticator
from keyfob.testing.example_records import MFA, REFRESH
from keyfob.testing.example_tenant import ORDERS, SIGNER, example_config
from keyfob.testing.fake_time import NOON

SENT = replace(MFA, oob_hash=b"oob", binding_hash=b"code", oob_expires_at=NOON + timedelta(minutes=5))
SECOND = timedelta(seconds=1)


def test_an_early_poll_makes_the_interval_longer_and_does_not_count_as_a_poll() -> None:
    """[AS-8628-03]."""
    pace = Pace(NOON, timedelta(seconds=5))
    assert decide_pace(pace, NOON + SECOND) == ("slow_down", Pace(NOON, pace.interval + SLOWER_BY))


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
