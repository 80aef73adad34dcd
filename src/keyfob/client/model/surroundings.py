"""What can be seen of the place where a program runs. Observed in io/, judged in `choose`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How an editor's terminal on another machine reaches its person. In the first two a browser that the editor opens
# comes back through a forwarded port; in the others it does not.
Remote = Literal["", "vscode-ssh", "vscode-container", "vscode-tunnel", "codespaces", "gitpod", "cloud-shell"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where we are. Every name is "" where there is no such thing.

    Attributes:
        platform: As `sys.platform` says it.
        has_terminal: Whether a person can read what we show and type.
        is_ssh: Whether the person sits at another machine.
        is_wsl: Linux inside Windows, whose browser is the one to use.
        container: Its kind: docker, podman, kubernetes.
        remote: An editor's or a cloud's terminal.
        has_screen: Whether windows can be opened.
        browser: What would open an address.
        is_text_browser: Whether that runs inside a terminal.
        ci: Which automation runs us.
        agent: Which program that talks for a person runs us.
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
