"""The command line of `keyring`, which pip and uv call: keyring get SERVICE USER."""

from __future__ import annotations

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenWanted, url_of_host

_USERNAME = "__token__"  # the user name that package indexes expect with a token


class KeyringHelper(Helper):
    """The helper for pip and uv: the command `keyring get SERVICE USER`."""

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        if call.words[:1] != ["get"] or len(call.words) not in {2, 3} or not call.words[1]:
            return self.not_ours()
        # If uv has no user name, it requests both the user name and the password with --mode creds.
        details = {"username": _USERNAME} if call.options.get("mode") == "creds" and len(call.words) == 2 else {}
        return TokenWanted(url_of_host(call.words[1]), details)

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  it has no expiry
        username = wanted.details.get("username")
        return HelperReply(f"{username}\n{token}\n" if username else f"{token}\n")

    def not_ours(self) -> HelperReply:
        return HelperReply("", 1)


HELPER = KeyringHelper()
