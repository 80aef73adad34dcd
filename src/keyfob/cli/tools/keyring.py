"""The command line of `keyring`, which pip and uv call: keyring get SERVICE USER."""

from __future__ import annotations

from keyfob.cli.tools.exchange import HelperCall, HelperReply, TokenWanted, url_of_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

READS_STDIN = False
_USERNAME = "__token__"  # as package indexes name the user of a token


def read(call: HelperCall) -> TokenWanted | HelperReply:
    if call.words[:1] != ["get"] or len(call.words) not in {2, 3} or not call.words[1]:
        return not_ours()
    # Without a user name, uv asks for both with --mode creds.
    details = {"username": _USERNAME} if call.options.get("mode") == "creds" and len(call.words) == 2 else {}
    return TokenWanted(url_of_host(call.words[1]), details)


def answer(wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG001  it has no expiry
    username = wanted.details.get("username")
    return HelperReply(f"{username}\n{token}\n" if username else f"{token}\n")


def not_ours() -> HelperReply:
    return HelperReply("", 1)


def refuse(problem: KeyfobError) -> HelperReply:
    return HelperReply("", problem.exit)
