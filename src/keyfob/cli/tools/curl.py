"""Curl's configuration from standard input: keyfob helper curl URL | curl -K -."""

from __future__ import annotations

from keyfob.cli.tools.exchange import HelperCall, HelperReply, TokenWanted
from keyfob.errors import Misuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

READS_STDIN = False


def read(call: HelperCall) -> TokenWanted | HelperReply:
    if len(call.words) != 1:
        raise Misuse("curl needs one address", hint="Run: keyfob helper curl URL | curl -K -")
    return TokenWanted(call.words[0])


def answer(wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG001  curl runs at once
    """Return the address with the token; curl does not send it to another host of a redirect (oauth2-bearer)."""
    return HelperReply(f"url = {_quoted(wanted.url)}\noauth2-bearer = {_quoted(token)}\n")


def not_ours() -> None:
    """Return None: the address comes from the user only."""


def refuse(problem: KeyfobError) -> HelperReply:
    return HelperReply("", problem.exit)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
