"""The order of the checks at /oauth/token: one table for all grants (RFC 6749 §3.2, §5.2, Auth0).

`docs/checks.md` is generated from `TOKEN_CHECKS`. The checks of a code or token run first on a snapshot of the stored
record, and then again in the transaction that marks the code or token as used.
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
from keyfob.server.decide.presented import CodeFacts, DeviceFacts, FactorFacts, RefreshFacts
from keyfob.server.decide.token_facts import GrantFacts, MachineFacts, MessageFacts, PasswordFacts, ProofFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """One row of the table of checks.

    The columns that `Step` lists apply to every grant. Each remaining column applies to the grants in `GRANTS_OF`.
    """

    name: str
    rule: str
    message: Cell[MessageFacts] | tuple[Cell[MessageFacts], ...] | None = None
    client: Cell[ClientFacts] | None = None
    grant: Cell[GrantFacts] | None = None
    proof: Cell[ProofFacts] | None = None
    code: Cell[CodeFacts] | None = None
    device: Cell[DeviceFacts] | tuple[Cell[DeviceFacts], ...] | None = None
    refresh: Cell[RefreshFacts] | None = None
    machine: Cell[MachineFacts] | None = None
    password: Cell[PasswordFacts] | None = None
    mfa: Cell[FactorFacts] | None = None


Step = Literal["message", "client", "grant", "proof"]
# The grants of each column that `Step` does not list.
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
        rule="The body is a form or a JSON object, `grant_type` is valid, and no parameter of the grant is missing,"
        " repeated or malformed. The response names the first bad parameter.",
        message=(
            Cell(MessageFacts.grant_type_is_unknown, "grant_unsupported"),
            Cell(MessageFacts.scope_is_malformed, "scope_malformed"),
            Cell(MessageFacts.names_several_apis, "audience_many"),
            Cell(MessageFacts.is_malformed, "request_malformed"),
        ),
    ),
    TokenCheck(
        name="offered",
        rule="The server supports the grant. Token exchange and JWT bearer are not supported.",
        message=Cell(MessageFacts.grant_is_not_offered, "grant_unsupported"),
    ),
    TokenCheck(
        name="basic_header",
        rule="The HTTP Basic header, if any, is well-formed.",
        client=Cell(ClientFacts.header_is_malformed, "client_unknown"),
    ),
    TokenCheck(
        name="one_method",
        rule="The request has the credentials of only one client, by only one authentication method.",
        client=Cell(ClientFacts.is_malformed, "request_malformed"),
    ),
    TokenCheck(
        name="client_id",
        rule="The request has a client ID.",
        client=Cell(ClientFacts.names_no_client, "client_missing"),
    ),
    TokenCheck(
        name="client_failures",
        rule="This network has not recently sent too many wrong credentials for this client. Right credentials always"
        " pass this check.",
        client=Cell(ClientFacts.must_wait, "too_many"),
    ),
    TokenCheck(
        name="client",
        rule="The client is registered, and its secret, assertion or certificate is valid.",
        client=Cell(ClientFacts.is_unauthenticated, "client_unknown"),
    ),
    TokenCheck(
        name="assertion_replay",
        rule="The client assertion, if any, has not been used before.",
        client=Cell(ClientFacts.is_replayed, "client_unknown"),
    ),
    TokenCheck(
        name="client_grant",
        rule="The client may use the grant.",
        grant=Cell(GrantFacts.grant_is_not_the_clients, "grant_refused"),
    ),
    TokenCheck(
        name="proof_needed",
        rule="A DPoP proof is present if the client must send one.",
        proof=Cell(ProofFacts.is_missing, "proof_invalid"),
    ),
    TokenCheck(
        name="proof",
        rule="The DPoP proof, if any, is valid for this request.",
        proof=Cell(ProofFacts.is_invalid, "proof_invalid"),
    ),
    TokenCheck(
        name="proof_nonce",
        rule="The nonce of the DPoP proof, if any, is current. A public client must send a nonce.",
        proof=Cell(ProofFacts.lacks_nonce, "proof_needs_nonce"),
    ),
    TokenCheck(
        name="proof_replay",
        rule="The request has only one DPoP proof, which has not been used before.",
        proof=Cell(ProofFacts.is_replayed, "proof_invalid"),
    ),
    TokenCheck(
        name="organization",
        rule="The request names no organization.",
        machine=Cell(MachineFacts.names_organization, "organization_refused"),
    ),
    TokenCheck(
        name="api_named",
        rule="The request names an API, or the server has a default API.",
        machine=Cell(MachineFacts.names_no_api, "audience_missing"),
    ),
    TokenCheck(
        name="passwords_on",
        rule="The server allows password grants.",
        password=Cell(PasswordFacts.passwords_are_off, "password_off"),
    ),
    TokenCheck(
        name="connection",
        rule="The request names a realm, or the server has a default connection.",
        password=Cell(PasswordFacts.has_no_connection, "directory_missing"),
    ),
    TokenCheck(
        name="realm",
        rule="The connection exists and is enabled for the client.",
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
        rule="The client may request tokens for the API.",
        machine=Cell(MachineFacts.api_is_not_granted, "api_refused"),
        password=Cell(PasswordFacts.api_is_closed, "api_closed"),
    ),
    TokenCheck(
        name="binding_code",
        rule="`mfa-oob` only: `binding_code` is present.",
        mfa=Cell(FactorFacts.lacks_binding_code, "request_malformed"),
    ),
    TokenCheck(
        name="readable",
        rule="The token has the format and the checksum of this server's tokens.",
        refresh=Cell(RefreshFacts.is_unreadable, "refresh_unknown"),
    ),
    TokenCheck(
        name="known",
        rule="The code or token exists and was issued to this client.",
        code=Cell(CodeFacts.is_unknown, "authorization_code_unknown"),
        device=Cell(DeviceFacts.is_unknown, "code_unknown"),
        refresh=Cell(RefreshFacts.is_unknown, "refresh_unknown"),
        mfa=Cell(FactorFacts.is_unknown, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="redirect_uri",
        rule="`redirect_uri` equals the `redirect_uri` of the authorization request.",
        code=Cell(CodeFacts.redirect_uri_differs, "authorization_code_unknown"),
    ),
    TokenCheck(
        name="open",
        rule="The device code, login or `mfa_token` has not been used or revoked, and no response has reported it as"
        " expired.",
        device=Cell(DeviceFacts.is_over, "code_unknown"),
        refresh=Cell(RefreshFacts.has_ended, "refresh_unknown"),
        mfa=Cell(FactorFacts.is_spent, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="verifier",
        rule="`code_verifier` matches the `code_challenge`, or both are absent.",
        code=Cell(CodeFacts.verifier_is_wrong, "verifier_wrong"),
        device=Cell(DeviceFacts.verifier_is_wrong, "verifier_wrong"),
    ),
    TokenCheck(
        name="code_key",
        rule="If the code is bound to a DPoP key, the DPoP proof is made with this key.",
        code=Cell(CodeFacts.key_is_wrong, "authorization_code_unknown"),
    ),
    TokenCheck(
        name="unused",
        rule="The code or token has not been used before. A second use ends the login.",
        code=Cell(CodeFacts.is_spent, "authorization_code_unknown"),
        refresh=Cell(RefreshFacts.is_reused, "refresh_unknown"),
    ),
    TokenCheck(
        name="not_denied",
        rule="The user has not declined the login.",
        device=Cell(DeviceFacts.is_denied, "denied"),
    ),
    TokenCheck(
        name="unexpired",
        rule="The code or token has not expired.",
        code=Cell(CodeFacts.has_expired, "authorization_code_unknown"),
        device=Cell(DeviceFacts.has_expired, "expired"),
        refresh=Cell(RefreshFacts.has_expired, "refresh_unknown"),
        mfa=Cell(FactorFacts.has_expired, "mfa_token_expired"),
    ),
    TokenCheck(
        name="token_key",
        rule="If the token is bound to a DPoP key, the DPoP proof is made with this key.",
        refresh=Cell(RefreshFacts.key_is_wrong, "refresh_unknown"),
        mfa=Cell(FactorFacts.key_is_wrong, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="scope",
        rule="The requested scope is within the granted scope.",
        refresh=Cell(RefreshFacts.scope_is_wider, "scope_widened"),
        machine=Cell(MachineFacts.scope_is_not_granted, "scope_refused"),
    ),
    TokenCheck(
        name="pace",
        rule="The client does not poll a pending login faster than the login's interval allows.",
        device=Cell(DeviceFacts.is_polled_early, "slow_down"),
    ),
    TokenCheck(
        name="decided",
        rule="The user has approved the login.",
        device=Cell(DeviceFacts.is_undecided, "pending"),
    ),
    TokenCheck(
        name="number",
        rule="If the client's device rules have `number_back`, the request has the number that the page showed.",
        device=(
            Cell(DeviceFacts.lacks_number, "number_missing"),
            Cell(DeviceFacts.number_is_wrong, "number_wrong"),
        ),
    ),
    TokenCheck(
        name="user",
        rule="The user still exists.",
        refresh=Cell(RefreshFacts.user_is_gone, "refresh_orphaned"),
    ),
    TokenCheck(
        name="account",
        rule="The user exists and is not blocked. The API still exists, and the current settings still allow a part of"
        " the granted scope: the API has the scope, the client may use the API, the grant allows the scope, and the"
        " user's connection is enabled for the client. For a refresh token, the API still allows offline access.",
        code=Cell(CodeFacts.account_is_closed, "authorization_code_unknown"),
        device=Cell(DeviceFacts.account_is_closed, "code_unknown"),
        refresh=Cell(RefreshFacts.account_is_closed, "refresh_unknown"),
        mfa=Cell(FactorFacts.account_is_closed, "mfa_token_unknown"),
    ),
    TokenCheck(
        name="tries",
        rule="There were not too many wrong attempts for the account.",
        password=Cell(PasswordFacts.must_wait, "attempts_many"),
        mfa=Cell(FactorFacts.has_no_tries, "attempts_many"),
    ),
    TokenCheck(
        name="password",
        rule="The user exists, and the password is correct.",
        password=Cell(PasswordFacts.password_is_wrong, "password_wrong"),
    ),
    TokenCheck(
        name="not_blocked",
        rule="The user is not blocked.",
        password=Cell(PasswordFacts.user_is_blocked, "user_blocked"),
    ),
    TokenCheck(
        name="factor_possible",
        rule="If a second factor is required, the client may use a grant for second factors.",
        password=Cell(PasswordFacts.factor_cannot_be_asked, "mfa_refused"),
    ),
    TokenCheck(
        name="factor",
        rule="No second factor is required.",
        password=Cell(PasswordFacts.factor_is_due, "mfa_required"),
    ),
    TokenCheck(
        name="otp",
        rule="`mfa-otp` only: the one-time code is correct.",
        mfa=Cell(FactorFacts.otp_is_wrong, "otp_wrong"),
    ),
    TokenCheck(
        name="oob_code",
        rule="`mfa-oob` only: `oob_code` and `binding_code` are correct.",
        mfa=Cell(FactorFacts.binding_code_is_wrong, "binding_code_wrong"),
    ),
    TokenCheck(
        name="recovery_code",
        rule="`mfa-recovery-code` only: the recovery code is correct.",
        mfa=Cell(FactorFacts.recovery_code_is_wrong, "recovery_code_wrong"),
    ),
)

# The columns that apply to every grant, in the order of their first rows.
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
