"""Every error keyfob raises, on one page.

KeyfobError
├── Misuse
├── Malformed
├── Refused
│   ├── LoginDeclined
│   └── LoginRequired
├── TimedOut
├── Unreachable
├── VaultUnavailable
├── StoreUnavailable
├── InvalidToken
└── SystemFailed

Messages are safe to log: they contain no token and no code. Of a peer's data, they contain only `error` and its
description, the audiences of an ID token for another client, and the names in an untrusted certificate. Each is
shortened and in plain ASCII. Only `cli/main.py` prints an error for the user: the message, the hint, and `keyfob help
<code>`, which prints the entry of `docs/errors.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, get_args

Code = Literal[
    "account-mismatch",
    "agent-refused",
    "agent-unavailable",
    "api-refused",
    "certificate-refused",
    "certificate-untrusted",
    "certificate-unusable",
    "declined",
    "extra-missing",
    "factor-missing",
    "flow-unavailable",
    "identity-missing",
    "invalid-token",
    "key-absent",
    "key-empty",
    "key-hung",
    "key-locked",
    "login-required",
    "malformed",
    "metadata-missing",
    "misuse",
    "new-issuer",
    "no-terminal",
    "not-json",
    "other-api",
    "passphrase-wrong",
    "port-taken",
    "profile-taken",
    "proxy-refused",
    "refused",
    "session-too-short",
    "setting-unsafe",
    "setting-wrong",
    "store-newer",
    "store-unavailable",
    "system-failed",
    "timed-out",
    "token-bound",
    "unreachable",
    "unsupported-grant",
    "vault-busy",
    "vault-damaged",
    "vault-readonly",
    "vault-unavailable",
    "wrong-issuer",
]
CODES: Final[tuple[Code, ...]] = get_args(Code)


class KeyfobError(Exception):
    """The base class of all errors, which is never raised itself.

    Attributes:
        code: The stable code in kebab-case. It is a heading of `docs/errors.md` and an argument of `keyfob help`.
        hint: The user's next step, or "". Any program may show the hint, so it names no flag and no command of keyfob.
        flags: The flags or the command of keyfob's own command line that perform the step in `hint`, or "".
        exit: The exit code of the command line (`docs/errors.md`).
        more: Additional members of the error's JSON object (`--json`), such as `run`, the command to run next.
    """

    default_code: ClassVar[Code]
    exit: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", flags: str = "", code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.flags = flags
        self.code: Code = code or self.default_code
        self.more: Mapping[str, str] = {}

    @property
    def hint_with_flags(self) -> str:
        """The hint, with `flags`, for users of keyfob's own command line."""
        if not self.flags:
            return self.hint
        return f"{self.hint.removesuffix('.') or 'Run'}: {self.flags}"


class Misuse(KeyfobError):
    """A wrong argument, flag or setting."""

    default_code: ClassVar[Code] = "misuse"
    exit: ClassVar[int] = 2


class Malformed(KeyfobError):
    """The peer's data violates the protocol. `field` names the invalid field, whose value is not stored."""

    default_code: ClassVar[Code] = "malformed"

    def __init__(
        self, message: str, *, field: str = "", hint: str = "", flags: str = "", code: Code | None = None
    ) -> None:
        super().__init__(message, hint=hint, flags=flags, code=code)
        self.field = field


class Refused(KeyfobError):
    """The peer refused the request. `oauth_code` is the response's `error`, or "" (RFC 6749 §5.2)."""

    default_code: ClassVar[Code] = "refused"
    exit: ClassVar[int] = 3

    def __init__(
        self, message: str, *, oauth_code: str = "", hint: str = "", flags: str = "", code: Code | None = None
    ) -> None:
        super().__init__(message, hint=hint, flags=flags, code=code)
        self.oauth_code = oauth_code


class LoginDeclined(Refused):
    """The user declined the login."""

    default_code: ClassVar[Code] = "declined"
    exit: ClassVar[int] = 5


class LoginRequired(Refused):
    """There is no usable login, and this call is unable or not allowed to start an interactive login."""

    default_code: ClassVar[Code] = "login-required"
    exit: ClassVar[int] = 4


class TimedOut(KeyfobError):
    """The user did not respond in time."""

    default_code: ClassVar[Code] = "timed-out"
    exit: ClassVar[int] = 6


class Unreachable(KeyfobError):
    """The peer could not be reached or did not respond; a retry may help.

    Attributes:
        timed_out: Whether the cause was a timeout, after which polling must slow down (RFC 8628 §3.5).
    """

    default_code: ClassVar[Code] = "unreachable"
    exit: ClassVar[int] = 7

    def __init__(
        self, message: str, *, timed_out: bool = False, hint: str = "", flags: str = "", code: Code | None = None
    ) -> None:
        super().__init__(message, hint=hint, flags=flags, code=code)
        self.timed_out = timed_out


class VaultUnavailable(KeyfobError):
    """The vault cannot be used, for example because it is locked, damaged, or owned by another user."""

    default_code: ClassVar[Code] = "vault-unavailable"
    exit: ClassVar[int] = 8


class StoreUnavailable(KeyfobError):
    """A tenant's database cannot be used now: the disk is full, the connection is lost, or another process locks it."""

    default_code: ClassVar[Code] = "store-unavailable"
    exit: ClassVar[int] = 8


class InvalidToken(KeyfobError):
    """A token that must not be accepted. The message names the failed check and contains no part of the token.

    Attributes:
        check: The failed check's short name, or "".
    """

    default_code: ClassVar[Code] = "invalid-token"
    exit: ClassVar[int] = 3

    def __init__(self, message: str, *, check: str = "", hint: str = "", code: Code | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.check = check


class SystemFailed(KeyfobError):
    """The operating system refused an operation: for example, the disk is full, or stdout or a folder is gone."""

    default_code: ClassVar[Code] = "system-failed"
