"""The events of the audit log: their codes and members.

Text that a caller sent is shortened and written as one printable line. A caller can send a secret in the wrong field,
such as a password in the field for the e-mail address. Text that could be such a secret is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple

from keyfob.protocol.json_text import write_text

Event = Mapping[str, object]
Result = Literal["success", "failure", "notice"]
LONGEST: Final = 200
_SHOWN_OF_UNKNOWN: Final = 4
OWN_PREFIX: Final = "keyfob_"  # the beginning of each code that Auth0 does not have


class Code(NamedTuple):
    """The meaning of an event code, and the `outcome` of the events that have the code."""

    outcome: Result
    means: str


CODES: Final[dict[str, Code]] = {
    "s": Code("success", "A user logged in at a page."),
    "ssa": Code("success", "An application got a code without user interaction (`prompt=none`)."),
    "f": Code("failure", "An authorization request was refused."),
    "fsa": Code("failure", "An application got no code without user interaction (`prompt=none`)."),
    "fp": Code("failure", "A wrong password, or the correct one of a blocked user."),
    "fu": Code("failure", "A password for an unknown e-mail address."),
    "slo": Code("success", "A user logged out."),
    "sede": Code("success", "Tokens for a device code."),
    "fede": Code("failure", "No tokens for a device code."),
    "fdeaz": Code("failure", "A device login could not start."),
    "fdeac": Code("failure", "An unknown user code was entered."),
    "fdecc": Code("failure", "A user declined a device login."),
    "seacft": Code("success", "Tokens for an authorization code."),
    "feacft": Code("failure", "No tokens for an authorization code."),
    "seccft": Code("success", "A token by the client credentials grant."),
    "feccft": Code("failure", "No token by the client credentials grant."),
    "sepft": Code("success", "Tokens for a password."),
    "fepft": Code("failure", "No tokens for a password."),
    "seotpft": Code("success", "Tokens for a password and a one-time password."),
    "feotpft": Code("failure", "A wrong one-time password."),
    "seoobft": Code("success", "Tokens for a password and a code from an e-mail."),
    "feoobft": Code("failure", "A wrong code from an e-mail."),
    "sercft": Code("success", "Tokens for a password and a recovery code."),
    "fercft": Code("failure", "A wrong recovery code."),
    "sertft": Code("success", "Tokens for a refresh token."),
    "fertft": Code("failure", "No tokens for a refresh token."),
    "ferrt": Code("failure", "A refresh token was used that had been replaced: its login has ended."),
    "srrt": Code("success", "A token was revoked, or a login was ended."),
    "mfar": Code("notice", "A second factor is required."),
    "gd_start_enroll": Code("notice", "The enrolment of a second factor started."),
    "gd_enrollment_complete": Code("success", "A second factor was enrolled."),
    "gd_unenroll": Code("success", "A second factor was removed."),
    "gd_auth_succeed": Code("success", "A correct second factor at a page."),
    "gd_auth_failed": Code("failure", "A wrong second factor at a page."),
    "gd_webauthn_challenge_failed": Code("failure", "A passkey was refused at a page; `description` says why."),
    "gd_webauthn_enrollment_failed": Code("failure", "A passkey was not added; `description` says why."),
    "gd_recovery_succeed": Code("success", "A recovery code was used at a page."),
    "gd_otp_rate_limit_exceed": Code("failure", "Too many wrong second factors of a user."),
    "gd_send_email": Code("success", "A code, a link or a notice was sent by e-mail."),
    "gd_send_email_failure": Code("failure", "A code, a link or a notice could not be sent by e-mail."),
    "limit_wc": Code("failure", "Too many wrong passwords for one account."),
    "limit_mu": Code("failure", "Too many wrong passwords from one network."),
    "api_limit": Code("failure", "A limit has refused a request; `description` names it (operations.md)."),
    "fapi": Code("failure", "A client is unknown, or its authentication failed."),
    "sapi": Code("success", "An operator changed the tenant."),
    "ss": Code("success", "A user signed up, or an operator added one."),
    "scp": Code("success", "A user's password was changed, by the user or an operator."),
    "scpr": Code("success", "A user asked for a link to choose a new password."),
    "fcpr": Code("failure", "A link for a new password was requested for an unknown or blocked user."),
    "sv": Code("success", "A user confirmed an e-mail address."),
    "scu": Code("success", "A user changed the profile."),
    "sdu": Code("success", "An operator removed a user."),
    "depnote": Code("notice", "Applications may use the password grants."),
    "keyfob_consent": Code("success", "A user consented to the request of an application."),
    "keyfob_far_login_refused": Code("failure", "A device login was refused: its device is in another network."),
    "keyfob_login_ended": Code(
        "success", "A user ended a login by its link, on the page after the login or in an e-mail."
    ),
    "keyfob_notice_failure": Code("failure", "The e-mail about a new device could not be sent."),
    "keyfob_start": Code("notice", "A process started to serve the tenant."),
    "keyfob_stop": Code("notice", "A process stopped normally."),
    "keyfob_lost": Code("failure", "Events before this one are lost, since the log could not be written."),
}

# The code of the event that is written when a limit refuses a request. `server/ports.py` has the names of the limits.
LIMIT_CODES: Final[dict[str, str]] = {
    "client-secrets": "api_limit",
    "device-logins": "fdeaz",
    "e-mails": "api_limit",
    "forms": "api_limit",
    "passwords": "limit_wc",
    "passwords-waiting": "api_limit",
    "requests": "api_limit",
    "second-factors": "gd_otp_rate_limit_exceed",
    "user-codes": "api_limit",
}

# The members of an event, in order. An event contains the members whose values are known.
MEMBERS: Final[dict[str, str]] = {
    "log_id": "the unique ID of the event",
    "date": "the time of the event, as in RFC 3339, in UTC",
    "type": "the code of the event",
    "outcome": "`success`, `failure` or `notice`",
    "description": "details, in a text that keyfob writes, never in a text of a caller",
    "client_id": "the application; for an unknown application, the start and the length of the received value",
    "user_id": "the identifier of the user",
    "user_name": "the text that was typed as e-mail address, if it looks like an e-mail address",
    "audience": "the identifier of the API",
    "login_id": "the ID of the login, as in the claim `sid` of its access tokens and in `keyfob tenant logins`",
    "session_id": "the ID of the browser's session, as in the claim `sid` of its ID tokens",
    "ip": "the network address of the client, from the connection or from a trusted proxy",
    "user_agent": "the `User-Agent` header; 200 characters at most",
    "request_id": "the ID of the HTTP request, as in the header of its response",
    "operator": "the operating system account that ran the command",
}
_FIELDS: Final = tuple(MEMBERS)[4:]  # the members that the caller of `write_event` passes


def write_event(code: str, now: datetime, log_id: str, fields: Mapping[str, str]) -> dict[str, object]:
    """Return an event with the fields that are not empty, in the order of `MEMBERS`."""
    event: dict[str, object] = {
        "log_id": log_id,
        "date": write_date(now),
        "type": code,
        "outcome": CODES[code].outcome,
    }
    for name in _FIELDS:
        if value := fields.get(name):
            event[name] = value if len(value) <= LONGEST and value.isprintable() else log_text(value)
    return event


def write_line(event: Event) -> str:
    """Return an event as JSON, on one line."""
    return write_text(event)


def write_date(now: datetime) -> str:
    """Return a time as Auth0 writes it: UTC, with milliseconds."""
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def log_id_of(now: datetime, node: str, number: int) -> str:
    """Return the id of an event. Ids sort by time, and no two events of any processes have the same id."""
    return f"{int(now.timestamp() * 1000):012x}{node}{number:08x}"


def shown_client(client_id: str, *, is_known: bool) -> str:
    """Return the id of a client for the log.

    Most of an unknown id is left out, since it may be a secret that was sent in the wrong parameter.
    """
    if is_known or not client_id:
        return client_id
    return f"{client_id[:_SHOWN_OF_UNKNOWN]}... ({len(client_id)} characters)"


def shown_name(typed: str) -> str:
    """Return a typed e-mail address for the log.

    Other text is replaced by its number of characters, since people type passwords in this field.
    """
    name, at, host = typed.partition("@")
    looks_like_one = bool(name and at and "." in host) and "@" not in host and not any(map(str.isspace, typed))
    return typed if looks_like_one else f"({len(typed)} characters that are no e-mail address)"


def log_text(text: str) -> str:
    """Return untrusted text as one line for a log: shortened, without control characters."""
    short = text if len(text) <= LONGEST else text[:LONGEST]
    return short if short.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in short)
