"""Bazel's credential helper protocol: github.com/EngFlow/credential-helper-spec."""

from __future__ import annotations

import json

from keyfob.cli.tools.exchange import HelperCall, HelperReply, TokenWanted, instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

READS_STDIN = True


def read(call: HelperCall) -> TokenWanted | HelperReply:
    try:
        members: dict[str, object] | None = json.loads(call.given) if call.words == ["get"] else None
    except (ValueError, RecursionError):
        members = None
    uri = members.get("uri") if isinstance(members, dict) else None
    # A helper for an unknown command or a malformed request fails (Command Line Arguments, Request).
    return TokenWanted(uri) if isinstance(uri, str) else HelperReply("", 1)


def answer(wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG001  the reply has no address
    members: dict[str, object] = {"headers": {"Authorization": [f"Bearer {token}"]}}
    if until is not None:
        members["expires"] = instant(until)
    return HelperReply(json.dumps(members) + "\n")


def not_ours() -> HelperReply:
    return HelperReply('{"headers": {}}\n')


def refuse(problem: KeyfobError) -> HelperReply:
    return HelperReply("", problem.exit)
