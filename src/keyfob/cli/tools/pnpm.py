"""pnpm's tokenHelper: a program without arguments that prints the value of the Authorization header."""

from __future__ import annotations

from keyfob.cli.tools.exchange import HelperCall, HelperReply, TokenWanted
from keyfob.errors import Misuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

READS_STDIN = False


def read(call: HelperCall) -> TokenWanted | HelperReply:
    """Return the registry that `keyfob setup npm` wrote into the launcher; pnpm names none."""
    url = call.options.get("registry")
    if not url or call.words:
        raise Misuse("pnpm's helper has one flag, --registry URL", hint="Run: keyfob setup npm URL")
    return TokenWanted(url)


def answer(wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG001  pnpm runs at once
    return HelperReply(f"Bearer {token}\n")


def not_ours() -> None:
    """Return None: pnpm calls the helper for its own registry only."""


def refuse(problem: KeyfobError) -> HelperReply:
    return HelperReply("", problem.exit)
