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
└── InvalidToken

Messages are safe to log: no token, no code, and of what a peer sent only its `error`, the words with it, and the names
in a certificate that nobody trusts, made plain ASCII and cut short. Only `cli/main.py` turns an error into words for a
person: the message, the hint, and the page `docs/errors.md#<code>`.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

Code = Literal[
    "another-person",
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
    "proxy-refused",
    "refused",
    "session-too-short",
    "setting-unsafe",
    "setting-wrong",
    "store-newer",
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
    """Base of all; never raised itself.

    Attributes:
        code: Stable, kebab-case; the anchor in `docs/errors.md`.
        hint: What a person can do next, or "".
        exit: The exit code of the command line (`docs/errors.md`).
    """

    default_code: ClassVar[Code]
    exit: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", code: Code | None = None) -> None:
        """Keep what happened and what to do next."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code: Code = code or self.default_code


class Misuse(KeyfobError):
    """You called us wrongly: an argument, a flag, a setting."""

    default_code: ClassVar[Code] = "misuse"
    exit: ClassVar[int] = 2


class Malformed(KeyfobError):
    """The peer's bytes break the protocol. Keeps the field's name, never its value."""

    default_code: ClassVar[Code] = "malformed"

    def __init__(self, message: str, *, field: str = "", hint: str = "", code: Code | None = None) -> None:
        """Keep which field was wrong."""
        super().__init__(message, hint=hint, code=code)
        self.field = field


class Refused(KeyfobError):
    """The peer said no. `oauth_code` is its `error` member where it sent one (RFC 6749 §5.2)."""

    default_code: ClassVar[Code] = "refused"
    exit: ClassVar[int] = 3

    def __init__(self, message: str, *, oauth_code: str = "", hint: str = "", code: Code | None = None) -> None:
        """Keep the peer's error code."""
        super().__init__(message, hint=hint, code=code)
        self.oauth_code = oauth_code


class LoginDeclined(Refused):
    """The person said no."""

    default_code: ClassVar[Code] = "declined"
    exit: ClassVar[int] = 5


class LoginRequired(Refused):
    """Nothing usable is held, and we may not ask."""

    default_code: ClassVar[Code] = "login-required"
    exit: ClassVar[int] = 4


class TimedOut(KeyfobError):
    """The person did not answer in time."""

    default_code: ClassVar[Code] = "timed-out"
    exit: ClassVar[int] = 6


class Unreachable(KeyfobError):
    """No answer from the network; trying again may help.

    Attributes:
        timed_out: There was silence rather than a refusal, which calls for a slower pace (RFC 8628 §3.5).
    """

    default_code: ClassVar[Code] = "unreachable"
    exit: ClassVar[int] = 7

    def __init__(self, message: str, *, timed_out: bool = False, hint: str = "", code: Code | None = None) -> None:
        """Keep whether it was silence or no connection at all."""
        super().__init__(message, hint=hint, code=code)
        self.timed_out = timed_out


class VaultUnavailable(KeyfobError):
    """What keeps the tokens cannot be used: locked, damaged, not ours."""

    default_code: ClassVar[Code] = "vault-unavailable"
    exit: ClassVar[int] = 8


class InvalidToken(KeyfobError):
    """A token that must not be accepted. `message` says which check failed, never what the token said.

    Attributes:
        check: The failed check's short name, where whoever refuses goes check by check; else "".
    """

    default_code: ClassVar[Code] = "invalid-token"
    exit: ClassVar[int] = 3

    def __init__(self, message: str, *, check: str = "", hint: str = "", code: Code | None = None) -> None:
        """Keep which check failed."""
        super().__init__(message, hint=hint, code=code)
        self.check = check
