"""Properties of the machine and the session, by which keyfob chooses a login flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# The kinds of remote terminals; "" for none. With vscode-ssh and vscode-container, the redirect from the user's browser
# arrives through a forwarded port; with the others it does not arrive.
Remote = Literal["", "vscode-ssh", "vscode-container", "vscode-tunnel", "codespaces", "gitpod", "cloud-shell"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine and session that keyfob runs in. Text attributes are "" if they do not apply.

    Attributes:
        platform: The value of `sys.platform`.
        has_terminal: Whether keyfob runs in a terminal, where a user can read and type.
        is_ssh: Whether this is an SSH session.
        is_wsl: Whether this is the Windows Subsystem for Linux, where the browser of Windows is used.
        container: The kind of container that keyfob runs in: docker, podman or kubernetes.
        remote: The kind of remote terminal of an editor or cloud.
        has_screen: Whether programs can open windows in this session.
        browser: The name of the browser, or of the command that opens it.
        is_text_browser: Whether the browser runs in the terminal.
        ci: The name of the CI system.
        agent: The name of the AI agent that runs keyfob.
        host: The name of this computer.
        system: The operating system, in words.
    """

    platform: str = "linux"
    has_terminal: bool = True
    is_ssh: bool = False
    is_wsl: bool = False
    container: str = ""
    remote: Remote = ""
    has_screen: bool = False
    browser: str = ""
    is_text_browser: bool = False
    ci: str = ""
    agent: str = ""
    host: str = ""
    system: str = ""
