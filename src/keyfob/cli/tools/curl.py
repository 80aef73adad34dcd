"""A configuration that curl reads from standard input: keyfob helper curl URL | curl -K -."""

from __future__ import annotations

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenWanted
from keyfob.errors import Misuse


class CurlHelper(Helper):
    """The helper for `curl -K -`. The user chooses the URL, so it is an error if no login is bound to the origin."""

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        if len(call.words) != 1:
            raise Misuse("curl needs one address", hint="Run: keyfob helper curl URL | curl -K -")
        return TokenWanted(call.words[0])

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  curl runs at once
        """Return the settings for curl: the URL and, as `oauth2-bearer`, the token.

        After a redirect, curl sends the token to no other host.
        """
        return HelperReply(f"url = {_quoted(wanted.url)}\noauth2-bearer = {_quoted(token)}\n")


HELPER = CurlHelper()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
