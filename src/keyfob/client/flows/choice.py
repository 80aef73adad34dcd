"""Decide: which ways to log in there are from here, the safest first, and why (RFC 10027, RFC 8252, RFC 8628 §1).

A browser on the person's own machine beats a code: nobody can be talked into approving somebody else's login. Where no
browser is proven to be here, the code beats pasting.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyfob.client.model.flow_names import INTERACTIVE_FLOWS, InteractiveFlow
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE
from keyfob.protocol.metadata import ServerMetadata

_EDITORS = {"vscode-ssh": "VS Code over SSH", "vscode-container": "a VS Code container"}
_FAR = {
    "vscode-tunnel": "a VS Code tunnel",
    "codespaces": "a codespace",
    "gitpod": "a Gitpod workspace",
    "cloud-shell": "a cloud shell",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided.

    Attributes:
        flows: The ways to try, in order; () where there is none.
        reasons: Why so, in words, one a line.
    """

    flows: tuple[InteractiveFlow, ...]
    reasons: tuple[str, ...]


def choose(here: Surroundings, metadata: ServerMetadata, capabilities: ServerCapabilities, *, has_user: bool) -> Choice:
    """Decide how to log in.

    Args:
        here: What was observed.
        metadata: What the server offers; what it is silent about counts as offered where there is an endpoint.
        learned: What it refused before, nothing of it stale.
        has_person: Whether anybody sees what we show: at the terminal, or through the program that calls us.
    """
    if not has_user:
        return Choice((), (_nobody(here),))
    is_local, why = find_browser(here)
    reasons, doors = [why], list[InteractiveFlow]()
    for door in INTERACTIVE_FLOWS:
        problem = _missing(door, metadata)
        if problem is None and door in capabilities.refused:
            problem = f"on {capabilities.refused[door]:%Y-%m-%d} the server refused this program the {_name(door)}"
        if problem is None and door == "paste" and not here.has_terminal:
            problem = "nobody could paste anything here"
        if problem is not None:
            reasons.append(problem)
        elif door != "browser" or is_local:
            doors.append(door)
    if doors:
        reasons.append(f"so: the {_name(doors[0])}")
    return Choice(tuple(doors), tuple(reasons))


def find_browser(here: Surroundings) -> tuple[bool, str]:
    """Whether a browser of the person's own machine can be opened from here and come back, and why."""
    if here.remote in _EDITORS and here.browser:
        return True, f"this is {_EDITORS[here.remote]}, which opens addresses on the person's own machine"
    for there, what in (
        (here.ci, f"this is {here.ci}: no person is here"),
        (here.agent, f"a program runs this for a person ({here.agent}), who may sit anywhere"),
        (here.remote, f"this is {_FAR.get(here.remote, here.remote)}: a browser could not come back to it"),
        (here.is_ssh, "this is an SSH session: a browser here would not be where the person is"),
        (here.container, f"this is a container ({here.container}): a browser could not come back into it"),
    ):
        if there:
            return False, what
    if here.is_text_browser:
        return False, f"the only browser here runs inside the terminal ({here.browser})"
    if not here.browser:
        return False, "no browser was found here"
    if here.is_wsl:
        return True, f"this is WSL: the browser of Windows can be opened ({here.browser})"
    if not here.has_screen:
        return False, "there is no screen to open a browser on"
    return True, f"a browser can be opened on this screen ({here.browser})"


def _nobody(here: Surroundings) -> str:
    where = f" ({here.ci or here.agent})" if here.ci or here.agent else ""
    return f"there is no terminal here, so no person who could log in{where}"


def _missing(door: InteractiveFlow, metadata: ServerMetadata) -> str | None:
    """What a server lacks for a way to log in."""
    grants = metadata.grant_types_supported
    if door == "device":
        has_it, grant = metadata.device_authorization_endpoint is not None, DEVICE_CODE
    else:
        has_it, grant = metadata.authorization_endpoint is not None, AUTHORIZATION_CODE
    if has_it and (not grants or grant in grants):
        return None
    return f"the server does not offer the {_name(door)}"


def _name(door: InteractiveFlow) -> str:
    return {"browser": "login by browser", "device": "login by code", "paste": "login by pasting"}[door]
