"""Git's credential helper protocol: gitcredentials(7), git-credential(1)."""

from __future__ import annotations

from keyfob.cli.tools.exchange import USER, Helper, HelperCall, HelperReply, TokenWanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

_NOTHING = HelperReply()


class GitHelper(Helper):
    """The helper for git, with the commands get, store, erase and capability."""

    reads_stdin = True

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        action = call.words[0] if call.words else ""
        if action == "capability":  # git 2.46 and later may ask for the capabilities of a helper
            return HelperReply("version 0\ncapability authtype\n")
        if action not in {"get", "erase"}:
            return _NOTHING  # for `store` too, since the vault contains the token already
        given = _attributes(call.given)
        scheme, host = _last(given, "protocol"), _last(given, "host")
        if scheme not in {"http", "https"} or not host:
            return self.not_ours()
        url = f"{scheme}://{host}/{_last(given, 'path')}"
        if action == "erase":
            refused = _last(given, "credential") or _last(given, "password")
            return TokenWanted(url, refused=refused) if refused else _NOTHING
        details = {"username": _last(given, "username") or USER}
        if "authtype" in given.get("capability[]", ()) and _takes_bearer(given.get("wwwauth[]", [])):
            details["authtype"] = "Bearer"
        return TokenWanted(url, details)

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:
        """Return the token, in the form that this git accepts.

        If this git and the server support Bearer credentials, the reply is one, which other helpers do not store.
        Otherwise, the token is the password.
        """
        lines = (
            ["capability[]=authtype", "authtype=Bearer", f"credential={token}", "ephemeral=1"]
            if "authtype" in wanted.details
            else [f"username={wanted.details['username']}", f"password={token}"]
        )
        lines += [] if until is None else [f"password_expiry_utc={until}"]
        return HelperReply("".join(f"{line}\n" for line in lines))

    def not_ours(self) -> HelperReply:
        return _NOTHING

    def refuse(self, problem: KeyfobError) -> HelperReply:  # noqa: ARG002  git shows what is on stderr
        """Return the reply that makes git stop. Otherwise git would ask the user for a password."""
        return HelperReply("quit=1\n")


HELPER = GitHelper()


def _attributes(given: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in given.decode("utf-8", "replace").split("\n"):
        key, equals, value = line.removesuffix("\r").partition("=")
        if not key:
            break
        if equals:
            found.setdefault(key, []).append(value)
    return found


def _last(given: dict[str, list[str]], key: str) -> str:
    return given.get(key, [""])[-1]


def _takes_bearer(challenges: list[str]) -> bool:
    """Return whether the server accepts Bearer tokens (RFC 6750 §3). Many servers accept tokens only as passwords."""
    return not challenges or any(challenge[:6].lower() == "bearer" for challenge in challenges)
