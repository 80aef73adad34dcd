"""Docker's credential helper protocol, which podman, buildah, skopeo, helm and crane also use."""

from __future__ import annotations

import json

from keyfob.cli.tools.exchange import USER, Helper, HelperCall, HelperReply, TokenWanted, url_of_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.errors import KeyfobError

# Docker recognizes a missing login by exactly this text.
_NOT_FOUND = "credentials not found in native keychain\n"


class DockerHelper(Helper):
    """The helper `docker-credential-keyfob` with its commands get, store, erase and list."""

    reads_stdin = True

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        action = call.words[0] if call.words else ""
        server = call.given.decode("utf-8", "replace").strip()
        if action == "get":
            return TokenWanted(url_of_host(server), {"server": server}) if server else self.not_ours()
        replies = {
            "list": HelperReply("{}\n"),
            "erase": HelperReply(),
            "version": HelperReply("docker-credential-keyfob\n"),
            "store": HelperReply("keyfob stores no passwords; keyfob login is the login at this registry\n", 1),
        }
        return replies.get(action, HelperReply("the action is get, store, erase, list or version\n", 1))

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:  # noqa: ARG002  it has no expiry
        members = {"ServerURL": wanted.details["server"], "Username": USER, "Secret": token}
        return HelperReply(json.dumps(members) + "\n")

    def not_ours(self) -> HelperReply:
        return HelperReply(_NOT_FOUND, 1)

    def refuse(self, problem: KeyfobError) -> HelperReply:
        """Return the error's message as the reply, since docker shows a helper's stdout."""
        return HelperReply(f"{problem.message}. {problem.hint_with_flags}\n", 1)


HELPER = DockerHelper()
