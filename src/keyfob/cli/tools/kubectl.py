"""Kubernetes' client-go credential plugins: ExecCredential of client.authentication.k8s.io/v1 and v1beta1."""

from __future__ import annotations

import json

from keyfob.cli.tools.exchange import Helper, HelperCall, HelperReply, TokenWanted, instant
from keyfob.errors import Misuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Json: TypeAlias = "dict[str, Json] | str | None"

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INFO = "KUBERNETES_EXEC_INFO"


class KubectlHelper(Helper):
    """The helper for kubectl, which calls no other helper. So a URL to which no login is bound is an error."""

    def read(self, call: HelperCall) -> TokenWanted | HelperReply:
        try:
            info: Json = json.loads(call.variables.get(_INFO, ""))
        except (ValueError, RecursionError):
            raise Misuse(f"{_INFO} is missing or not JSON", hint="kubectl sets it; run kubectl.") from None
        version = _member(info, "apiVersion")
        if version not in VERSIONS or _member(info, "kind") != "ExecCredential":
            raise Misuse(
                "the kubeconfig has an unsupported version", hint=f"Its apiVersion is one of {', '.join(VERSIONS)}."
            )
        server = _member(_member(_member(info, "spec"), "cluster"), "server")
        if not isinstance(server, str):
            raise Misuse(
                "kubectl does not send the cluster's address", hint="Add to the user's exec: provideClusterInfo: true"
            )
        return TokenWanted(server, {"version": str(version)})

    def answer(self, wanted: TokenWanted, token: str, until: int | None) -> HelperReply:
        status = {"token": token} if until is None else {"token": token, "expirationTimestamp": instant(until)}
        members = {"apiVersion": wanted.details["version"], "kind": "ExecCredential", "status": status}
        return HelperReply(json.dumps(members) + "\n")


HELPER = KubectlHelper()


def _member(members: Json, name: str) -> Json:
    return members.get(name) if isinstance(members, dict) else None
