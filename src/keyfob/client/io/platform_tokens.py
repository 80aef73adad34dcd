"""Read a workload identity token from a platform: from a file, a variable, or a metadata service.

If the token is missing, the error's hint tells the user what to do. No other source is tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from keyfob.client.auth.workload_identity import ask_azure, ask_github, ask_google, read_answer, read_platform_token
from keyfob.client.model.credential import PlatformToken
from keyfob.client.model.source import Source
from keyfob.errors import Misuse, Unreachable
from keyfob.io.http import HttpSender, Limits, send
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Request, Response

# The metadata services are link-local and support plain http only.
METADATA: Final = "http://169.254.169.254"
KUBERNETES: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_NEARBY: Final = Limits(connect=2.0, read=10.0, whole=15.0)
_GITHUB_HINT: Final = "Give the job the permission `id-token: write` in its workflow."
_LABELS: Final = {"google": "a virtual machine of Google Cloud", "azure": "a virtual machine of Azure"}


@dataclass(frozen=True, slots=True)
class Platform:
    """The variables, services and files from which platform tokens are read; tests pass their own."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    google: str = METADATA
    azure: str = METADATA
    kubernetes: str = KUBERNETES
    send: Callable[[Request], Response] = send


def read_identity(source: Source, platform: Platform | None = None) -> PlatformToken:
    """Return the workload identity token from its source.

    Args:
        source: A source of kind `identity`.
        platform: The variables, services and files to read; None for those of this machine.

    Raises:
        Misuse: There is no token (code `identity-missing`).
        Refused: The platform refuses.
        Unreachable: The platform does not answer.
        Malformed: The response cannot be read.
    """
    platform = platform or Platform()
    match source.place:
        case "github":
            return _from_github(source.name, platform)
        case "google":
            response = _nearby(ask_google(platform.google, source.name), "google")
            if response.header("metadata-flavor") != "Google":
                _missing(
                    "the response did not come from Google's metadata server",
                    f"The identity google works on {_LABELS['google']} only.",
                )
            hint = "Give the machine a service account; on GKE, bind the pod's account to one."
            text = read_answer(response, None, "Google's metadata server", hint)
            return read_platform_token(text, "the response of Google's metadata server")
        case "azure":
            return _from_azure(source.name, platform)
        case "kubernetes":
            hint = (
                "Mount a projected serviceAccountToken with the audience that the server requires, and pass its path."
            )
            return _from_file(source.name or platform.kubernetes, hint)
        case "file":
            return _from_file(source.name, "The platform writes this file; check that it is mounted.")
        case "gitlab":
            hint = f"Add to the job in .gitlab-ci.yml: id_tokens: {{{source.name}: {{aud: ISSUER}}}}"
            return _from_variable(source.name, platform, hint)
        case "keyring":
            raise Misuse("an identity token cannot come from a keyring", hint="Use a platform, a file or a variable.")
        case "env":
            return _from_variable(
                source.name, platform, "The platform, or the program that starts this one, must set it."
            )


def _from_github(audience: str, platform: Platform) -> PlatformToken:
    address = platform.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    request_token = platform.environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if not address or not request_token:
        is_there = platform.environment.get("GITHUB_ACTIONS") == "true"
        if not is_there:
            hint = (
                "This identity works in a job with the permission `id-token: write`. Elsewhere, use another platform."
            )
            _missing("this does not run in GitHub Actions", hint)
        _missing("this job may not request a token from GitHub", _GITHUB_HINT)
    if not is_safe(address):
        _missing("the address of GitHub's token service is not https", "ACTIONS_ID_TOKEN_REQUEST_URL was changed.")
    response = platform.send(ask_github(address, request_token, audience))
    return read_platform_token(read_answer(response, "value", "GitHub Actions", _GITHUB_HINT), "GitHub's answer")


def _from_azure(resource: str, platform: Platform) -> PlatformToken:
    path = platform.environment.get("AZURE_FEDERATED_TOKEN_FILE", "")
    if path:
        return _from_file(path, "AZURE_FEDERATED_TOKEN_FILE names this file; check the pod's workload identity.")
    response = _nearby(ask_azure(platform.azure, resource), "azure")
    hint = "Give the machine a managed identity; if it has several, set AZURE_FEDERATED_TOKEN_FILE."
    text = read_answer(response, "access_token", "Azure's metadata service", hint)
    return read_platform_token(text, "the response of Azure's metadata service")


def _nearby(request: Request, place: str) -> Response:
    """Send a request to a link-local address, with short timeouts and without a proxy.

    Raises:
        Unreachable: There is no response.
    """
    sender = HttpSender(_NEARBY, through_proxy=False)
    try:
        return sender(request)
    except Unreachable as problem:
        hint = f"The identity {place} works on {_LABELS[place]} only."
        raise Unreachable(f"no metadata server: {problem.message}", timed_out=problem.timed_out, hint=hint) from None
    finally:
        sender.close()


def _from_file(path: str, hint: str) -> PlatformToken:
    try:
        text = Path(path).expanduser().read_text(encoding="ascii")
    except OSError as problem:
        _missing(f"{path} cannot be read ({problem.strerror})", hint)
    except UnicodeDecodeError:
        _missing(f"{path} contains no token", hint)
    return read_platform_token(text, path)


def _from_variable(name: str, platform: Platform, hint: str) -> PlatformToken:
    text = platform.environment.get(name, "")
    if not text:
        _missing(f"the variable {name} is empty or not set", hint)
    return read_platform_token(text, f"the variable {name}")


def _missing(problem: str, hint: str) -> NoReturn:
    raise Misuse(problem, code="identity-missing", hint=hint)
