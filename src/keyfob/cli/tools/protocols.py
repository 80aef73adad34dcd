"""The table of protocols: each helper's name, the tools that call it, and its flags."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyfob.cli.tools.exchange import Helper

# Each helper is a module of this package, which is imported only when a tool calls the helper.
PROTOCOLS: dict[str, str] = {
    "git": "git's credential helper: get, store or erase",
    "kubectl": "Kubernetes' ExecCredential, for kubectl, helm and every client-go program",
    "aws": "AWS' credential_process, for the AWS CLI and every SDK",
    "docker": "Docker's credential helper, for docker, podman, skopeo and helm: get, store, erase or list",
    "keyring": "the command line of keyring, for pip and uv: get SERVICE USER",
    "pnpm": "pnpm's tokenHelper",
    "bazel": "Bazel's credential helper: get",
    "curl": "a configuration for curl -K -: URL",
}
# The flags of each helper other than --profile. `keyfob setup` writes them into the tool's settings.
OPTIONS: dict[str, dict[str, str]] = {
    "aws": {
        "role_arn": "the role to assume",
        "session_name": "the name of the session in AWS' logs (keyfob)",
        "sts": "the address of AWS STS, such as that of a region",
    },
    "keyring": {"mode": "password or creds, as at keyring"},
    "pnpm": {"registry": "the registry that the token is for"},
}


def protocol_of(name: str) -> Helper:
    helper: Helper = importlib.import_module(f"keyfob.cli.tools.{name}").HELPER
    return helper
