"""Detect where keyfob runs (terminal, SSH, WSL, container, editor, CI, coding agent), and find and open a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keyfob.client.model.surroundings import Remote, Surroundings
from keyfob.protocol.address import is_web_url

_TEXT_BROWSERS: Final = frozenset({"lynx", "links", "links2", "elinks", "w3m", "www-browser", "browsh"})
# A variable that only that CI system sets, and the system's name.
_CI: Final = (
    ("GITHUB_ACTIONS", "GitHub Actions"),
    ("GITLAB_CI", "GitLab CI"),
    ("CIRCLECI", "CircleCI"),
    ("BUILDKITE", "Buildkite"),
    ("TF_BUILD", "Azure Pipelines"),
    ("JENKINS_URL", "Jenkins"),
    ("TEAMCITY_VERSION", "TeamCity"),
    ("CODEBUILD_BUILD_ID", "CodeBuild"),
    ("CI", "CI"),
)
_AGENTS: Final = (
    ("CLAUDECODE", "Claude Code"),
    ("CURSOR_AGENT", "Cursor"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("CODEX_SANDBOX", "Codex"),
    ("OPENCODE", "opencode"),
    ("AGENT", "an agent"),
    ("AI_AGENT", "an agent"),
)
_SYSTEMS: Final = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
_NO: Final = frozenset({"", "0", "false", "no"})
# Programs that open Windows' browser from WSL, the best first.
WSL_OPENERS: Final = ("wslview", "powershell.exe", "explorer.exe")
_TIMEOUT_S = 10


def look_around(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Surroundings:
    """Detect where keyfob runs, from environment variables and files below `root`. Starts no program."""
    is_wsl = _is_wsl(environment, root)
    browser = _find_wsl_opener() if is_wsl else _find_browser(environment)
    return Surroundings(
        platform=sys.platform,
        has_terminal=_is_terminal(),
        is_ssh=any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")),
        is_wsl=is_wsl,
        container="" if is_wsl else _container(environment, root),
        remote=_remote(environment),
        has_screen=sys.platform in {"darwin", "win32"} or bool(_screen(environment)),
        browser=browser,
        is_text_browser=Path(browser.split(" ")[0]).name in _TEXT_BROWSERS,
        ci=_first(environment, _CI),
        agent=_first(environment, _AGENTS),
        host=environment.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename,
        system="Windows (WSL)" if is_wsl else _SYSTEMS.get(sys.platform, sys.platform),
    )


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _first(environment: Mapping[str, str], names: tuple[tuple[str, str], ...]) -> str:
    return next((name for key, name in names if environment.get(key, "").lower() not in _NO), "")


def _screen(environment: Mapping[str, str]) -> str:
    return environment.get("WAYLAND_DISPLAY") or environment.get("DISPLAY") or ""


def _is_wsl(environment: Mapping[str, str], root: Path) -> bool:
    if sys.platform != "linux":
        return False
    return bool(environment.get("WSL_DISTRO_NAME")) or "microsoft" in _text(root / "proc/sys/kernel/osrelease").lower()


def _container(environment: Mapping[str, str], root: Path) -> str:
    """Return the container's kind; "" if this is no known container.

    systemd sets the variable `container` for services too, so only known values count.
    """
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    kind = environment.get("container", "")
    return kind if kind in {"docker", "podman", "oci", "lxc"} else ""


def _remote(environment: Mapping[str, str]) -> Remote:
    if environment.get("CODESPACES"):
        return "codespaces"
    if environment.get("GITPOD_WORKSPACE_ID"):
        return "gitpod"
    if environment.get("CLOUD_SHELL") or environment.get("AZUREPS_HOST_ENVIRONMENT"):
        return "cloud-shell"
    if environment.get("VSCODE_CLI_TUNNEL") or environment.get("VSCODE_TUNNEL_NAME"):
        return "vscode-tunnel"
    if environment.get("REMOTE_CONTAINERS") or environment.get("REMOTE_CONTAINERS_IPC"):
        return "vscode-container"
    # The editor's helper opens addresses on the machine with its window.
    if environment.get("VSCODE_IPC_HOOK_CLI") and environment.get("SSH_CONNECTION"):
        return "vscode-ssh"
    return ""


def _find_browser(environment: Mapping[str, str]) -> str:
    """Return the name of the browser that `webbrowser` would start; "" if there is none."""
    if sys.platform in {"darwin", "win32"}:
        return "the default browser"
    if not environment.get("BROWSER") and not _screen(environment):
        return ""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return ""
    return Path(str(getattr(browser, "name", ""))).name or type(browser).__name__


def _find_wsl_opener() -> str:
    return next((name for name in WSL_OPENERS if shutil.which(name)), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def open_browser(address: str, surroundings: Surroundings) -> bool:
    """Start the detected browser if it is no text browser. Return whether a browser was started."""
    if not is_web_url(address) or not surroundings.browser or surroundings.is_text_browser:
        return False
    if surroundings.is_wsl:
        return _open_in_windows(address, surroundings.browser)
    if not (surroundings.has_screen or surroundings.remote):
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def _open_in_windows(address: str, opener: str) -> bool:
    """Start the Windows program `opener` to open an address, and return whether it was started without an error.

    No shell interprets the characters of the address.
    """
    words = [opener, address]
    if opener == "powershell.exe":
        # In a single-quoted string of PowerShell only the quote itself is special, and is doubled.
        quoted = address.replace("'", "''")
        words = [opener, "-NoProfile", "-NonInteractive", "-Command", f"Start-Process '{quoted}'"]
    try:
        done = subprocess.run(  # noqa: S603  a list of arguments, no shell, and the address was checked
            words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    # explorer.exe exits with 1 on success.
    return done.returncode == 0 or opener == "explorer.exe"
