"""The facts about a request at /oauth/token: each check as its table says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.proofs import NonceNeeded, Possession
from keyfob.protocol.grants import (
    CLIENT_CREDENTIALS,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    ClientCredentialsGrant,
)
from keyfob.protocol.scope import Scope
from keyfob.protocol.target import Target
from keyfob.serve import Connection
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.token_checks import GRANT, MACHINE, MESSAGE, PASSWORDS, PROOF
from keyfob.server.decide.token_facts import GrantFacts, MachineFacts, MessageFacts, PasswordFacts, ProofFacts
from keyfob.server.wire import Outcome, outcome_of
from keyfob.testing.example_tenant import LEGACY, ORDERS, SIGNER, STOCK, example_config
from keyfob.testing.fake_time import NOON

CONFIG = example_config("https://login.example/")


@dataclass(frozen=True)
class UnknownGrant:
    grant_type: str = "urn:example:another"


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (MessageFacts(ClientCredentialsGrant()), None),
        (MessageFacts(outcome=outcome_of(Malformed("x", code="unsupported-grant"))), "grant_unsupported"),
        (MessageFacts(outcome=outcome_of(Malformed("x", field="scope"))), "scope_malformed"),
        (MessageFacts(outcome=outcome_of(Malformed("x: more than one API", field="audience"))), "audience_many"),
        (MessageFacts(outcome=outcome_of(Malformed("x", field="code"))), "request_malformed"),
        (MessageFacts(UnknownGrant()), "grant_unsupported"),  # type: ignore[arg-type]
    ],
)
def test_a_message_that_cannot_be_read_says_what_is_wrong(facts: MessageFacts, outcome: Outcome | None) -> None:
    failed = first_failed_check(MESSAGE, facts)
    assert (None if failed is None else failed.outcome) == outcome


def test_a_client_uses_only_its_own_grants() -> None:
    assert first_failed_check(GRANT, GrantFacts(SIGNER, CLIENT_CREDENTIALS)) is None
    failed = first_failed_check(GRANT, GrantFacts(SIGNER, PASSWORD))
    assert failed is not None
    assert failed.outcome == "grant_refused"


HELD = Possession("thumbprint", "mark", NOON)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (ProofFacts(is_needed=False, count=0), None),
        (ProofFacts(is_needed=True, count=0), "proof_invalid"),
        (ProofFacts(is_needed=True, count=1, verdict=HELD), None),
        (ProofFacts(is_needed=False, count=1, verdict=HELD), None),
        (ProofFacts(is_needed=False, count=1, verdict=InvalidToken("x")), "proof_invalid"),
        (ProofFacts(is_needed=False, count=1, verdict=NonceNeeded()), "proof_needs_nonce"),
        (ProofFacts(is_needed=False, count=2, verdict=HELD), "proof_invalid"),
        (ProofFacts(is_needed=False, count=1, verdict=HELD, is_new=False), "proof_invalid"),
    ],
)
def test_one_new_and_valid_proof_is_taken_and_none_only_if_none_is_needed(
    facts: ProofFacts, outcome: Outcome | None
) -> None:
    """RFC 9449 §4.3, §5."""
    failed = first_failed_check(PROOF, facts)
    assert (None if failed is None else failed.outcome) == outcome


@pytest.mark.parametrize(
    ("grant", "default", "outcome"),
    [
        (ClientCredentialsGrant(Target(ORDERS)), None, None),
        (ClientCredentialsGrant(Target(ORDERS)), STOCK, None),
        (ClientCredentialsGrant(), ORDERS, None),
        (ClientCredentialsGrant(), None, "audience_missing"),
        (ClientCredentialsGrant(Target(ORDERS), organization="x"), None, "organization_refused"),
        (ClientCredentialsGrant(Target("https://other.example/")), ORDERS, "audience_unknown"),
        (ClientCredentialsGrant(Target(STOCK)), ORDERS, "api_refused"),
        (ClientCredentialsGrant(Target(ORDERS), Scope.of(["read:orders"])), None, None),
        (ClientCredentialsGrant(Target(ORDERS), Scope.of(["read:orders", "more"])), None, "scope_refused"),
    ],
)
def test_a_client_gets_a_token_for_the_api_that_it_names_or_else_the_default(
    grant: ClientCredentialsGrant, default: str | None, outcome: Outcome | None
) -> None:
    failed = first_failed_check(MACHINE, MachineFacts.of(replace(CONFIG, default_audience=default), SIGNER, grant))
    assert (None if failed is None else failed.outcome) == outcome


DIRECTORY = Connection(allows_password=True)
NO_FACTORS = replace(LEGACY, grants=(PASSWORD,))
PLAIN = PasswordFacts(CONFIG, LEGACY, None, DIRECTORY)


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, None),
        ({"is_right": True}, None),
        ({"realm": DIRECTORY.name}, None),
        ({"config": replace(CONFIG, allows_password=False)}, "password_off"),
        ({"connection": None}, "directory_missing"),
        ({"connection": None, "realm": "x"}, "realm_unknown"),
        ({"connection": Connection("staff", allows_password=True), "realm": "staff"}, "realm_unknown"),
        ({"connection": Connection()}, "password_off"),
        ({"api_outcome": "audience_unknown"}, "audience_unknown"),
        ({"api_outcome": "api_closed"}, "api_closed"),
        ({"wait": timedelta(microseconds=1)}, "attempts_many"),
        ({"is_right": False}, "password_wrong"),
        ({"is_right": True, "is_blocked": True}, "user_blocked"),
        ({"is_right": True, "is_factor_due": True}, "mfa_required"),
        ({"application": NO_FACTORS}, None),
        ({"application": NO_FACTORS, "is_factor_due": True}, "mfa_refused"),
        ({"application": replace(NO_FACTORS, grants=(PASSWORD, MFA_OTP)), "is_factor_due": True}, "mfa_required"),
        ({"application": replace(NO_FACTORS, grants=(PASSWORD, MFA_OOB)), "is_factor_due": True}, "mfa_required"),
        (
            {"application": replace(NO_FACTORS, grants=(PASSWORD, MFA_RECOVERY_CODE)), "is_factor_due": True},
            "mfa_required",
        ),
        ({"config": replace(CONFIG, wire="rfc"), "is_factor_due": True}, "mfa_refused"),
    ],
)
def test_a_password_grant_is_refused_with_the_first_check_that_fails(
    changed: dict[str, object], outcome: Outcome | None
) -> None:
    failed = first_failed_check(PASSWORDS, replace(PLAIN, **changed))  # type: ignore[arg-type]
    assert (None if failed is None else failed.outcome) == outcome
