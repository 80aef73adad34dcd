"""pnpm's tokenHelper: a program without arguments that prints the value of the Authorization header."""

from __future__ import annotations

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenWanted
from keyfob.errors import Misuse


class PnpmHelper(Helper):
    """The helper for pnpm: a `tokenHelper`. pnpm calls it only for the registry that the setting names."""

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        """Return the registry that `keyfob setup pnpm` wrote into the launcher, since pnpm passes no registry."""
        url = call.options.get("registry")
        if not url or call.words:
            raise Misuse("pnpm's helper has one flag, --registry URL", hint="Run: keyfob setup npm URL")
        return TokenWanted(url)

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  pnpm runs at once
        return HelperReply(f"Bearer {token}\n")


HELPER = PnpmHelper()
