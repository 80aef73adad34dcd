"""The classes that all credential helpers share: a tool's call, the token that the tool requests, and the reply."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:  # defined above, since importing `typing` takes as long as importing this package
    from collections.abc import Callable, Mapping, Sequence

    from keyfob.errors import KeyfobError
    from keyfob.protocol.http import Request, Response

LARGEST_INPUT = 64 * 1024
# The user name for a protocol that sends a user name with the token. Servers ignore it, or require exactly this name.
USER = "oauth2"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class HelperCall:
    """A call by a tool.

    Attributes:
        words: The arguments after the helper's own flags.
        given: The standard input; b"" if the protocol does not use it.
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
        url: The URL that the token will be sent to.
        details: The members of the tool's request that the reply must repeat.
        refused: The token that a server has refused; None if the tool reports no refusal.
        exchange: The exchange of the token for other credentials; None if the tool sends the token itself.
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
        request: A function that returns the exchange request for a token.
        read: A function that returns the credentials in the response. `Helper.answer` receives these credentials in
            place of the token.
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
    """A protocol by which a tool requests a token. The module of each protocol exports an instance as `HELPER`."""

    reads_stdin = False

    @abstractmethod
    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        """Return which token the tool requests, or the reply if the call needs no token.

        Raises:
            Misuse: The tool or its configuration violates the protocol.
        """

    @abstractmethod
    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:
        """Return the reply with a token. `until` is the token's expiry as Unix time; None if unknown."""

    def not_ours(self) -> HelperReply | None:
        """Return the reply "no token for this origin"; None if the protocol defines no such reply."""
        return None

    def refuse(self, problem: KeyfobError) -> HelperReply:
        """Return the reply for an error. In addition to this reply, keyfob prints the error's message to stderr."""
        return HelperReply("", problem.exit)


def url_of_host(server: str) -> str:
    """Return the URL of a server. If the scheme is missing, add http for this machine and https for other hosts."""
    if "://" in server:
        return server
    host = server.partition("/")[0].rpartition(":")[0] or server.partition("/")[0]
    return f"{'http' if host in _LOCAL else 'https'}://{server}"


_given: list[bytes] = []


def read_stdin() -> bytes:
    """Return the standard input, up to a limit. If `quick_reply` has read it already, return what was read then."""
    if not _given:
        _given.append(b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST_INPUT))
    return _given[0]


def instant(until: int) -> str:
    """Return a Unix time in RFC 3339 format and UTC, without importing `datetime`."""
    import time  # noqa: PLC0415  built in

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
