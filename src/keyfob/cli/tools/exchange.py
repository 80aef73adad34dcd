"""What all credential helpers share: the call by a tool, the token that the tool requests, and the reply."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes as long to import as all of this package
    from collections.abc import Callable, Mapping, Sequence

    from keyfob.errors import KeyfobError
    from keyfob.protocol.http import Request, Response

LARGEST_INPUT = 64 * 1024
# The user name beside a token where a protocol has user names: servers that take OAuth tokens so ignore it, or name it.
USER = "oauth2"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class HelperCall:
    """A call by a tool.

    Attributes:
        words: The arguments after the helper's own flags.
        given: The standard input, if the protocol uses it.
        variables: The environment variables.
        options: The helper's own flags by name, such as `role_arn`.
    """

    __slots__ = ("given", "options", "variables", "words")

    def __init__(
        self,
        words: Sequence[str],
        given: bytes = b"",
        variables: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.words = list(words)
        self.given = given
        self.variables = variables or {}
        self.options = options or {}


class TokenWanted:
    """The token that a tool requests.

    Attributes:
        url: The address that the token will be sent to. Its origin must be bound to the login.
        details: The members of the tool's request that the reply repeats.
        refused: The token that a server has refused; None for a first request.
        exchange: The exchange of the token for the tool's credentials; None if the tool sends the token itself.
    """

    __slots__ = ("details", "exchange", "refused", "url")

    def __init__(
        self,
        url: str,
        details: Mapping[str, str] | None = None,
        *,
        refused: str | None = None,
        exchange: TokenExchange | None = None,
    ) -> None:
        self.url = url
        self.details = details or {}
        self.refused = refused
        self.exchange = exchange


class TokenExchange:
    """The exchange of a token for other credentials.

    Attributes:
        request: Makes the exchange request with the token.
        read: Returns the credentials in the response. `Helper.answer` takes them in place of the token.
    """

    __slots__ = ("read", "request")

    def __init__(self, request: Callable[[str], Request], read: Callable[[Response], str]) -> None:
        self.request = request
        self.read = read


class HelperReply:
    """The text for the tool on stdout, and the exit code."""

    __slots__ = ("code", "text")

    def __init__(self, text: str = "", code: int = 0) -> None:
        self.text = text
        self.code = code


class Helper(ABC):
    """A protocol by which a tool requests a token. Each module of a protocol here exports it as `HELPER`."""

    reads_stdin = False

    @abstractmethod
    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        """Return the requested token, or the reply if the tool's call needs no token.

        Raises:
            Misuse: The tool or its configuration violates the protocol.
        """

    @abstractmethod
    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:
        """Return the reply with a token. `until` is the token's expiry as Unix time; None if unknown."""

    def not_ours(self) -> HelperReply | None:
        """Return the reply for an origin for which keyfob has no token; None if the protocol defines no such reply."""
        return None

    def refuse(self, problem: KeyfobError) -> HelperReply:
        """Return the reply for an error. keyfob also prints the message of the error to stderr."""
        return HelperReply("", problem.exit)


def url_of_host(server: str) -> str:
    """Return the URL of a server. If the tool omits the scheme, use https, but http for this machine."""
    if "://" in server:
        return server
    host = server.partition("/")[0].rpartition(":")[0] or server.partition("/")[0]
    return f"{'http' if host in _LOCAL else 'https'}://{server}"


_given: list[bytes] = []


def read_stdin() -> bytes:
    """Return the standard input, up to a limit, even if `quick_reply` has read the input already."""
    if not _given:
        _given.append(b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST_INPUT))
    return _given[0]


def instant(until: int) -> str:
    """Return a Unix time in RFC 3339 format and UTC, without importing `datetime`."""
    import time  # noqa: PLC0415  built in

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
