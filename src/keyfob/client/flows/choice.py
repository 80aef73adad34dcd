"""Decide which login flows are possible on this machine, the safest first (RFC 10027, RFC 8252, RFC 8628 §1).

A browser on the user's own machine is safer than the device flow, in which an attacker can trick a user into approving
the attacker's login. If no such browser is found, the device flow is tried before the paste flow.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyfob.client.model.login_state import ServerCapabilities
from keyfob.client.model.profile import INTERACTIVE_FLOWS, InteractiveFlow
from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.grants import AUTHORIZATION_CODE
from keyfob.protocol.metadata import ServerMetadata

_OPENS_LOCALLY = {"vscode-ssh": "VS Code over SSH", "vscode-container": "a VS Code container"}
_REMOTE = {
    "vscode-tunnel": "a VS Code tunnel",
    "codespaces": "a codespace",
    "gitpod": "a Gitpod workspace",
    "cloud-shell": "a cloud shell",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The possible login flows, and why.

    Attributes:
        flows: The flows to try, in order; () if no flow is possible.
        reasons: The reasons for this choice; each is one line of text for the user.
    """

    flows: tuple[InteractiveFlow, ...]
    reasons: tuple[str, ...]


def choose(
    surroundings: Surroundings, metadata: ServerMetadata, capabilities: ServerCapabilities, *, has_user: bool
) -> Choice:
    """Return the possible login flows, the safest first.

    Args:
        surroundings: The detected terminal, browser and session.
        metadata: The server's metadata. If it has a device authorization endpoint, the device flow is possible, even if
            `grant_types_supported` does not list the flow.
        capabilities: The stored refusals of flows by this server, without expired ones.
        has_user: Whether a user sees keyfob's notices, at the terminal or through the calling program.
    """
    if not has_user:
        return Choice((), (_no_user(surroundings),))
    is_local, why = find_browser(surroundings)
    reasons, flows = [why], list[InteractiveFlow]()
    for flow in INTERACTIVE_FLOWS:
        problem = _missing(flow, metadata)
        if problem is None and flow in capabilities.refused:
            problem = f"on {capabilities.refused[flow]:%Y-%m-%d} the server refused the {_name(flow)} to this client"
        if problem is None and flow == "paste" and not surroundings.has_terminal:
            problem = "there is no terminal to paste an address into"
        if problem is not None:
            reasons.append(problem)
        elif flow != "browser" or is_local:
            flows.append(flow)
    if flows:
        reasons.append(f"chosen: the {_name(flows[0])}")
    return Choice(tuple(flows), tuple(reasons))


def find_browser(surroundings: Surroundings) -> tuple[bool, str]:
    """Return whether a browser login is possible with a browser on this machine, and the reason.

    This process must be able to open the browser, and the browser must be able to reach this process for the redirect.
    """
    if surroundings.remote in _OPENS_LOCALLY and surroundings.browser:
        return True, (
            f"this is {_OPENS_LOCALLY[surroundings.remote]}, which opens addresses on the user's own computer"
        )
    for applies, reason in (
        (surroundings.ci, f"this is {surroundings.ci}: there is no user"),
        (
            surroundings.agent,
            (f"a program runs this command for a user ({surroundings.agent}), whose browser may be elsewhere"),
        ),
        (
            surroundings.remote,
            (
                f"this is {_REMOTE.get(surroundings.remote, surroundings.remote)}: the browser could not "
                "reach this program here"
            ),
        ),
        (surroundings.is_ssh, "this is an SSH session: a browser here would not open on the user's computer"),
        (
            surroundings.container,
            f"this is a container ({surroundings.container}): the browser could not reach this program in it",
        ),
    ):
        if applies:
            return False, reason
    if surroundings.is_text_browser:
        return False, f"the only browser here is a text browser ({surroundings.browser})"
    if not surroundings.browser:
        return False, "no browser was found here"
    if surroundings.is_wsl:
        return True, f"this is WSL: the browser of Windows can be opened ({surroundings.browser})"
    if not surroundings.has_screen:
        return False, "there is no graphical session for a browser"
    return True, f"a browser can be opened here ({surroundings.browser})"


def _no_user(surroundings: Surroundings) -> str:
    where = f" ({surroundings.ci or surroundings.agent})" if surroundings.ci or surroundings.agent else ""
    return f"there is no terminal, so no user can log in{where}"


def _missing(flow: InteractiveFlow, metadata: ServerMetadata) -> str | None:
    """Return the reason why the server does not support the flow; None if it supports the flow."""
    grants = metadata.grant_types_supported
    if flow == "device":  # its endpoint has no other use; gitlab.com lists the grant as `device_code`
        has_it = metadata.device_authorization_endpoint is not None
    else:
        has_it = metadata.authorization_endpoint is not None and (not grants or AUTHORIZATION_CODE in grants)
    if has_it:
        return None
    return f"the server does not support the {_name(flow)}"


def _name(flow: InteractiveFlow) -> str:
    return {"browser": "browser flow", "device": "device flow", "paste": "paste flow"}[flow]
