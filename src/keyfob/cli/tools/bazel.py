"""Bazel's credential helper protocol: github.com/EngFlow/credential-helper-spec."""

from __future__ import annotations

import json

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenWanted, instant


class BazelHelper(Helper):
    """The helper with the command `get`. The request and the reply are JSON."""

    reads_stdin = True

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        try:
            members: dict[str, object] | None = json.loads(call.given) if call.words == ["get"] else None
        except (ValueError, RecursionError):
            members = None
        uri = members.get("uri") if isinstance(members, dict) else None
        # An unknown command or a malformed request is a failure (specification: Command Line Arguments, Request).
        return TokenWanted(uri) if isinstance(uri, str) else HelperReply("", 1)

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  the reply has no address
        members: dict[str, object] = {"headers": {"Authorization": [f"Bearer {token}"]}}
        if until is not None:
            members["expires"] = instant(until)
        return HelperReply(json.dumps(members) + "\n")

    def not_ours(self) -> HelperReply:
        return HelperReply('{"headers": {}}\n')


HELPER = BazelHelper()
