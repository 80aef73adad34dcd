"""The order of the checks at /oauth/token: one table for all grants (RFC 6749 §3.2, §5.2, Auth0).

`docs/checks.md` is drawn from `TOKEN_CHECKS`. The checks of a code or token are made on a snapshot of its record
first, and again in the transaction that spends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from keyfob.protocol.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    PASSWORD_REALM,
    REFRESH_TOKEN,
)
from keyfob.server.decide.check_table import Cell, column
from keyfob.server.decide.client import ClientFacts
from keyfob.server.decide.presented import FactorFacts, PresentedCode, PresentedDeviceCode, PresentedRefreshToken
from keyfob.server.decide.token_facts import GrantFacts, MachineFacts, MessageFacts, PasswordFacts, ProofFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """One row. The cells of a `Step` hold for every grant, the other columns are for those of `GRANTS_OF`."""

    name: str
    rule: str
    message: Cell[MessageFacts] | tuple[Cell[MessageFacts], ...] | None = None
    client: Cell[ClientFacts] | None = None
    grant: Cell[GrantFacts] | None = None
    proof: Cell[ProofFacts] | None = None
    code: Cell[PresentedCode] | None = None
    device: Cell[PresentedDeviceCode] | None = None
    refresh: Cell[PresentedRefreshToken] | None = None
    machine: Cell[MachineFacts] | None = None
    password: Cell[PasswordFacts] | None = None
    mfa: Cell[FactorFacts] | None = None


Step = Literal["message", "client", "grant", "proof"]
# The other columns, by the grants that they are for.
GRANTS_OF: Final[dict[str, tuple[str, ...]]] = {
    "code": (AUTHORIZATION_CODE,),
    "device": (DEVICE_CODE,),
    "refresh": (REFRESH_TOKEN,),
    "machine": (CLIENT_CREDENTIALS,),
    "password": (PASSWORD, PASSWORD_REALM),
    "mfa": (MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE),
}

TOKEN_CHECKS: Final[tuple[TokenCheck, ...]] = (
    TokenCheck(
        name="parameters",
        rule="The body is a form or a JSON object, `grant_type` is known, and no parameter of the grant is missing,"
        " repeated or malformed. The first that is read is told.",
        message=(
            Cell(MessageFacts.grant_type_is_unknown, "grant_unsupported"),
            Cell(MessageFacts.scope_is_malformed, "scope_malformed"),
            Cell(MessageFacts.names_several_apis, "audience_many"),
            Cell(MessageFacts.is_malformed, "request_malformed"),
        ),
    ),
    TokenCheck(
        name="offered",
        rule="This server offers the grant: it has neither token exchange nor JWT bearer.",
        message=Cell(MessageFacts.grant_is_not_offered, "grant_unsupported"),
    ),
    TokenCheck(
        name="basic_header",
        rule="A Basic header can be read.",
        client=Cell(ClientFacts.header_is_malformed, "client_unknown"),
    ),
    TokenCheck(
        name="one_method",
        rule="The client authenticates with one method, as one client.",
        client=Cell(ClientFacts.is_malformed, "request_malformed"),
    ),
    TokenCheck(
        name="client_id",
        rule="A client is named.",
        client=Cell(ClientFacts.names_no_client, "client_missing"),
    ),
    TokenCheck(
        name="client_failures",
        rule="This network has not just failed too often to authenticate as this client.",
        client=Cell(ClientFacts.must_wait, "too_many"),
    ),
    TokenCheck(
        name="client",
        rule="The client is registered, and its secret, assertion or certificate is right.",
        client=Cell(ClientFacts.is_unauthenticated, "client_unknown"),
    ),
    TokenCheck(
        name="assertion_replay",
        rule="A client assertion was not used before.",
        client=Cell(ClientFacts.is_replayed, "client_unknown"),
    ),
    TokenCheck(
        name="client_grant",
        rule="The client may use the grant.",
        grant=Cell(GrantFacts.grant_is_not_the_clients, "grant_refused"),
    ),
    TokenCheck(
        name="proof_needed",
        rule="There is a DPoP proof where the client must send one.",
        proof=Cell(ProofFacts.is_missing, "proof_invalid"),
    ),
    TokenCheck(
        name="proof",
        rule="A DPoP proof is valid for this request.",
        proof=Cell(ProofFacts.is_invalid, "proof_invalid"),
    ),
    TokenCheck(
        name="proof_nonce",
        rule="It holds a fresh nonce; only a public client must send one.",
        proof=Cell(ProofFacts.lacks_nonce, "proof_needs_nonce"),
    ),
    TokenCheck(
        name="proof_replay",
        rule="It is the only proof, and was not used before.",
        proof=Cell(ProofFacts.is_replayed, "proof_invalid"),
    ),
    TokenCheck(
        name="organization",
        rule="No organization is named.",
        machine=Cell(MachineFacts.names_organization, "organization_refused"),
    ),
    TokenCheck(
        name="api_named",
        rule="An API is named, or the server has a default.",
        machine=Cell(MachineFacts.names_no_api, "audience_missing"),
    ),
    TokenCheck(
        name="passwords_on",
        rule="The server allows password grants.",
        password=Cell(PasswordFacts.passwords_are_off, "password_off"),
    ),
    TokenCheck(
        name="connection",
        rule="A realm is named, or the server has a default connection.",
        password=Cell(PasswordFacts.has_no_connection, "directory_missing"),
    ),
    TokenCheck(
        name="realm",
        rule="The connection exists, and is enabled for the client.",
        password=Cell(PasswordFacts.realm_is_unknown, "realm_unknown"),
    ),
    TokenCheck(
        name="connection_passwords",
        rule="The connection allows password grants.",
        password=Cell(PasswordFacts.connection_refuses_passwords, "password_off"),
    ),
    TokenCheck(
        name="api",
        rule="The API exists.",
        machine=Cell(MachineFacts.api_is_unknown, "audience_unknown"),
        password=Cell(PasswordFacts.api_is_unknown, "audience_unknown"),
    ),
    TokenCheck(
        name="api_grant",
        rule="The client may ask for tokens for the API.",
        machine=Cell(MachineFacts.api_is_not_granted, "api_refused"),
        password=Cell(PasswordFacts.api_is_closed, "api_closed"),
    ),
    TokenCheck(
        name="binding_code",
        rule="`mfa-oob` only: there is a `binding_code`.",
        mfa=Cell(FactorFacts.lacks_binding_code, "request_malformed"),
    ),
    TokenCheck(
        name="readable",
        rule="The token has the form of one of ours.",
        refresh=Cell(PresentedRefreshToken.is_unreadable, "refresh_unknown"),
    ),
    TokenCheck(
        name="known",
        rule="The code or token is known, and was issued to this client.",
        code=Cell(PresentedCode.is_unknown, "authorization_code_unknown"),
        device=Cell(PresentedDeviceCode.is_unknown, "code_unknown"),
        refresh=Cell(PresentedRefreshToken.is_unknown, "refresh_unknown"),
        mfa=Cell(FactorFacts.is_unknown, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="redirect_uri",
        rule="`redirect_uri` is that of the authorization request.",
        code=Cell(PresentedCode.redirect_uri_differs, "authorization_code_unknown"),
    ),
    TokenCheck(
        name="open",
        rule="It is not over: redeemed, revoked, or expired and told so.",
        device=Cell(PresentedDeviceCode.is_over, "code_unknown"),
        refresh=Cell(PresentedRefreshToken.has_ended, "refresh_unknown"),
        mfa=Cell(FactorFacts.is_spent, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="verifier",
        rule="`code_verifier` fits the challenge; neither stands without the other.",
        code=Cell(PresentedCode.verifier_is_wrong, "verifier_wrong"),
        device=Cell(PresentedDeviceCode.verifier_is_wrong, "verifier_wrong"),
    ),
    TokenCheck(
        name="code_key",
        rule="The DPoP key is the one that the code is bound to.",
        code=Cell(PresentedCode.key_is_wrong, "authorization_code_unknown"),
    ),
    TokenCheck(
        name="unused",
        rule="It was not used before. Where it was, the login that came of it ends.",
        code=Cell(PresentedCode.is_spent, "authorization_code_unknown"),
        refresh=Cell(PresentedRefreshToken.is_reused, "refresh_unknown"),
    ),
    TokenCheck(
        name="not_denied",
        rule="The user has not declined.",
        device=Cell(PresentedDeviceCode.is_denied, "denied"),
    ),
    TokenCheck(
        name="unexpired",
        rule="It has not expired.",
        code=Cell(PresentedCode.has_expired, "authorization_code_unknown"),
        device=Cell(PresentedDeviceCode.has_expired, "expired"),
        refresh=Cell(PresentedRefreshToken.has_expired, "refresh_unknown"),
        mfa=Cell(FactorFacts.has_expired, "mfa_token_expired"),
    ),
    TokenCheck(
        name="token_key",
        rule="The DPoP key is the one that the token is bound to.",
        refresh=Cell(PresentedRefreshToken.key_is_wrong, "refresh_unknown"),
        mfa=Cell(FactorFacts.key_is_wrong, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="scope",
        rule="The scope is within what was granted.",
        refresh=Cell(PresentedRefreshToken.scope_is_wider, "scope_widened"),
        machine=Cell(MachineFacts.scope_is_not_granted, "scope_refused"),
    ),
    TokenCheck(
        name="pace",
        rule="An undecided login is not polled faster than its interval.",
        device=Cell(PresentedDeviceCode.is_polled_early, "slow_down"),
    ),
    TokenCheck(
        name="decided",
        rule="The user has decided.",
        device=Cell(PresentedDeviceCode.is_undecided, "pending"),
    ),
    TokenCheck(
        name="user",
        rule="The user still exists.",
        refresh=Cell(PresentedRefreshToken.user_is_gone, "refresh_orphaned"),
    ),
    TokenCheck(
        name="account",
        rule="The user exists and is not blocked; the API is still offered, and for as long.",
        code=Cell(PresentedCode.account_is_closed, "authorization_code_unknown"),
        device=Cell(PresentedDeviceCode.account_is_closed, "code_unknown"),
        refresh=Cell(PresentedRefreshToken.account_is_closed, "refresh_unknown"),
        mfa=Cell(FactorFacts.account_is_closed, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="tries",
        rule="There were not too many wrong tries at this account.",
        password=Cell(PasswordFacts.must_wait, "attempts_many"),
        mfa=Cell(FactorFacts.has_no_tries, "attempts_many"),
    ),
    TokenCheck(
        name="password",
        rule="The user exists, and the password is right.",
        password=Cell(PasswordFacts.password_is_wrong, "password_wrong"),
    ),
    TokenCheck(
        name="not_blocked",
        rule="The user is not blocked.",
        password=Cell(PasswordFacts.user_is_blocked, "user_blocked"),
    ),
    TokenCheck(
        name="factor_possible",
        rule="Where a second factor is due, the client has a grant for one.",
        password=Cell(PasswordFacts.factor_cannot_be_asked, "mfa_refused"),
    ),
    TokenCheck(
        name="factor",
        rule="No second factor is due.",
        password=Cell(PasswordFacts.factor_is_due, "mfa_required"),
    ),
    TokenCheck(
        name="otp",
        rule="`mfa-otp` only: the one-time code is right.",
        mfa=Cell(FactorFacts.otp_is_wrong, "otp_wrong"),
    ),
    TokenCheck(
        name="oob_code",
        rule="`mfa-oob` only: `oob_code` and `binding_code` are right.",
        mfa=Cell(FactorFacts.binding_code_is_wrong, "binding_code_wrong"),
    ),
    TokenCheck(
        name="recovery_code",
        rule="`mfa-recovery-code` only: the recovery code is right.",
        mfa=Cell(FactorFacts.recovery_code_is_wrong, "recovery_code_wrong"),
    ),
)

# The order in which the endpoint takes the columns that hold for every grant.
STEPS: Final[tuple[Step, ...]] = tuple(
    dict.fromkeys(step for row in TOKEN_CHECKS for step in get_args(Step) if getattr(row, step) is not None)
)
MESSAGE: Final = column((row.name, row.message) for row in TOKEN_CHECKS)
CLIENT: Final = column((row.name, row.client) for row in TOKEN_CHECKS)
GRANT: Final = column((row.name, row.grant) for row in TOKEN_CHECKS)
PROOF: Final = column((row.name, row.proof) for row in TOKEN_CHECKS)
CODE: Final = column((row.name, row.code) for row in TOKEN_CHECKS)
DEVICE: Final = column((row.name, row.device) for row in TOKEN_CHECKS)
REFRESH: Final = column((row.name, row.refresh) for row in TOKEN_CHECKS)
MACHINE: Final = column((row.name, row.machine) for row in TOKEN_CHECKS)
PASSWORDS: Final = column((row.name, row.password) for row in TOKEN_CHECKS)
MFA: Final = column((row.name, row.mfa) for row in TOKEN_CHECKS)
