"""The files and lines that `keyfob setup` writes: one function for each tool returns them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from keyfob.cli.tools.aws import ROLE, SESSION, STS
from keyfob.cli.tools.edits import JsonMember, LauncherFile, ListedUser, MarkedBlock, SettingsEdit
from keyfob.cli.tools.kubectl import VERSIONS
from keyfob.client.io.vault.files import home
from keyfob.errors import Misuse

DOCKER: Final = ("docker", "podman", "buildah", "skopeo", "helm")
_VARIABLE: Final = "KEYFOB_ACCESS_TOKEN"


@dataclass(frozen=True, slots=True)
class ToolSetup:
    """The arguments of `keyfob setup`.

    Attributes:
        url: The URL for which the tool uses the login. Only some tools distinguish paths.
        profile: The name of the login's profile.
        keyfob: The words of the command that starts keyfob.
        options: The flags of `keyfob setup` for this tool.
    """

    url: str
    profile: str
    keyfob: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def host(self) -> str:
        """The host of the URL, with the port if the URL has one."""
        return urlsplit(self.url).netloc.lower()

    def call(self, helper: str, *flags: str) -> list[str]:
        """Return the words of the command by which the tool calls a helper."""
        return [*self.keyfob, "helper", helper, "--profile", self.profile, *flags]


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A file, and the edit that `keyfob setup` makes in this file.

    Attributes:
        programs: The programs that read the file; () if the file is itself a program that keyfob writes.
        is_shared: Whether one edit serves all URLs that the tool is set up for. It is undone when the last of these
            URLs is removed.
    """

    path: Path
    edit: SettingsEdit
    programs: tuple[str, ...] = ()
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """The changes for a tool.

    Attributes:
        helper: The name of the helper that the tool calls; "" if the tool calls none.
        files: The files to edit.
        then: The commands that the user must run once after `keyfob setup`.
        example: A command of the tool that uses the login.
    """

    helper: str
    files: tuple[EditedFile, ...]
    then: str = ""
    example: str = ""


def plan_git(wanted: ToolSetup) -> SetupPlan:
    """Return the plan for git at one origin. An empty helper disables other helpers, which would store the token."""
    command = "!" + shlex.join(wanted.call("git"))
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    origin = f"{urlsplit(wanted.url).scheme}://{wanted.host}"
    lines = (f'[credential "{origin}"]', "    helper =", f'    helper = "{quoted}"')
    path = _variable_path("GIT_CONFIG_GLOBAL") or _first(Path.home() / ".gitconfig", _config_home() / "git" / "config")
    block = MarkedBlock(f"git {origin}", lines)
    return SetupPlan("git", (EditedFile(path, block, ("git",)),), example=f"git ls-remote {origin}/REPO")


def plan_kubectl(wanted: ToolSetup) -> SetupPlan:
    name = "keyfob-" + re.sub(r"[^a-z0-9.-]", "-", wanted.host)
    program, *words = wanted.call("kubectl")
    lines = (
        f"- name: {name}",
        "  user:",
        "    exec:",
        f"      apiVersion: {VERSIONS[0]}",
        f"      command: {json.dumps(program)}",
        f"      args: {json.dumps(words)}",
        "      interactiveMode: Never",
        "      provideClusterInfo: true",
    )
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(first) if first else Path.home() / ".kube" / "config"
    then = f"kubectl config set-context --current --user={name}"
    return SetupPlan(
        "kubectl", (EditedFile(path, ListedUser(name, lines), ("kubectl", "helm")),), then, "kubectl get pods"
    )


def plan_aws(wanted: ToolSetup) -> SetupPlan:
    name, role = wanted.options.get("name") or "keyfob", wanted.options.get("role_arn") or ""
    session = wanted.options.get("session_name") or ""
    if not re.fullmatch(r"[\w.@-]{1,60}", name, re.ASCII):
        raise Misuse("the name of a profile of AWS has letters, digits and .@_-")
    if not ROLE.fullmatch(role):
        raise Misuse("the role is an ARN", hint="For example: --role-arn arn:aws:iam::123456789012:role/deploy")
    if session and not SESSION.fullmatch(session):
        raise Misuse("a session name has 2 to 64 letters, digits and +=,.@-")
    flags = ["--role-arn", role, *(["--session-name", session] if session else [])]
    words = wanted.call("aws", *flags, *([] if wanted.url == STS else ["--sts", wanted.url]))
    command = subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
    path = _variable_path("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config"
    block = MarkedBlock(
        f"aws {name}", (f"[profile {name}]", f"credential_process = {command}"),
        refuses=re.compile(rf"\s*\[\s*profile\s+{re.escape(name)}\s*\]"),
    )  # fmt: skip
    return SetupPlan(
        "aws", (EditedFile(path, block, ("aws",)),), example=f"aws --profile {name} sts get-caller-identity"
    )


def plan_docker(wanted: ToolSetup) -> SetupPlan:
    folder = _variable_path("DOCKER_CONFIG") or Path.home() / ".docker"
    file = EditedFile(folder / "config.json", JsonMember("credHelpers", wanted.host, "keyfob"), DOCKER)
    return SetupPlan("docker", (file,), example=f"docker pull {wanted.host}/IMAGE")


def plan_pip(wanted: ToolSetup) -> SetupPlan:
    """Return the plan for pip and uv, which call the command `keyring`. If it is not installed, write a launcher."""
    _refuse_windows("pip")
    setting = re.compile(r"\s*keyring[-_]provider\s*[=:]")
    pip = MarkedBlock(
        "pip", ("keyring-provider = subprocess",), after=re.compile(r"\[global\]\s*$"), heading=("[global]",),
        refuses=setting,
    )  # fmt: skip
    uv = MarkedBlock("uv", ('keyring-provider = "subprocess"',), refuses=setting, at_top=True)
    launcher = LauncherFile(shlex.join([*wanted.keyfob, "helper", "keyring"]))
    files = [
        EditedFile(_variable_path("PIP_CONFIG_FILE") or _pip_file(), pip, ("pip", "pip3"), is_shared=True),
        EditedFile(_variable_path("UV_CONFIG_FILE") or _config_home() / "uv" / "uv.toml", uv, ("uv",), is_shared=True),
    ]
    other = shutil.which("keyring")
    if other is None or launcher.is_own(Path(other)):
        files.append(EditedFile(_folder_of(wanted.keyfob) / "keyring", launcher, is_shared=True))
    parts = urlsplit(wanted.url)
    index = f"{parts.scheme}://__token__@{wanted.host}{parts.path}"
    return SetupPlan("keyring", tuple(files), example=f"pip install --index-url {index} PACKAGE")


def plan_npm(wanted: ToolSetup) -> SetupPlan:
    """Return the plan for npm. npm has no helpers, so it reads the token from a variable that `keyfob run` sets."""
    lines = (f"{_registry(wanted)}:_authToken=${{{_VARIABLE}}}",)
    example = f"keyfob run --profile {wanted.profile} -- npm install --registry {wanted.url} PACKAGE"
    return SetupPlan("", (_npmrc(wanted, lines, "npm"),), example=example)


def plan_pnpm(wanted: ToolSetup) -> SetupPlan:
    """Return the plan for pnpm, which calls a helper. Replace the line for npm, since pnpm would prefer that line."""
    _refuse_windows("pnpm")
    launcher = _bin() / ("pnpm-" + re.sub(r"[^a-z0-9.-]", "-", wanted.host))
    call = LauncherFile(shlex.join(wanted.call("pnpm", "--registry", wanted.url)))
    settings = _npmrc(wanted, (f"{_registry(wanted)}:tokenHelper={launcher}",), "pnpm")
    return SetupPlan("pnpm", (settings, EditedFile(launcher, call)), example="pnpm install")


def _registry(wanted: ToolSetup) -> str:
    """Return the URL of a registry without its scheme. Names of settings in `.npmrc` begin with this text."""
    path = urlsplit(wanted.url).path.strip("/")
    return f"//{wanted.host}/{path}/" if path else f"//{wanted.host}/"


def _npmrc(wanted: ToolSetup, lines: tuple[str, ...], program: str) -> EditedFile:
    path = _variable_path("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc"
    return EditedFile(path, MarkedBlock(f"npm {_registry(wanted)}", lines), (program,))


def plan_bazel(wanted: ToolSetup) -> SetupPlan:
    _refuse_windows("bazel")
    launcher = _bin() / "bazel-credential-keyfob"
    host = urlsplit(wanted.url).hostname or ""
    block = MarkedBlock(f"bazel {wanted.host}", (f"common --credential_helper={host}={launcher}",))
    command = shlex.join([*wanted.keyfob, "helper", "bazel"])
    files = (
        EditedFile(Path.home() / ".bazelrc", block, ("bazel", "bazelisk")),
        EditedFile(launcher, LauncherFile(command), is_shared=True),
    )
    return SetupPlan("bazel", files, example="bazel build //...")


PLANS: Final[dict[str, tuple[str, Callable[[ToolSetup], SetupPlan]]]] = {
    "git": ("git's credential helper for one server", plan_git),
    "kubectl": ("a user of the kubeconfig for one cluster: kubectl, helm and others", plan_kubectl),
    "aws": ("a profile of AWS that assumes a role: the AWS CLI and every SDK", plan_aws),
    "docker": ("docker's credential helper for one registry: docker, podman and others", plan_docker),
    "pip": ("pip and uv at one index", plan_pip),
    "npm": ("npm at one registry, with keyfob run", plan_npm),
    "pnpm": ("pnpm at one registry", plan_pnpm),
    "bazel": ("Bazel's credential helper for one host", plan_bazel),
}


def find_keyfob() -> tuple[str, ...]:
    """Return the command that starts this installation of keyfob. It does not depend on the PATH of the tool."""
    started = Path(sys.argv[0])
    if started.stem == "keyfob" and started.is_file():
        return (str(started.absolute()),)
    return (sys.executable, "-m", "keyfob")


def _folder_of(keyfob: tuple[str, ...]) -> Path:
    """Return the folder of the command `keyfob`, which is usually on PATH.

    Return keyfob's own folder `bin` if that folder is read-only, or if no such command started keyfob.
    """
    folder = Path(keyfob[0]).parent
    return folder if len(keyfob) == 1 and os.access(folder, os.W_OK) else _bin()


def _bin() -> Path:
    return home() / "bin"


def _variable_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None


def _config_home() -> Path:
    return _variable_path("XDG_CONFIG_HOME") or Path.home() / ".config"


def _pip_file() -> Path:
    """Return the user's pip configuration file: the first existing file in pip's order (`pip config debug`).

    If none exists, return the first file of this order.
    """
    mac = Path.home() / "Library" / "Application Support" / "pip" / "pip.conf"
    return _first(_config_home() / "pip" / "pip.conf", mac, Path.home() / ".pip" / "pip.conf")


def _first(usual: Path, *others: Path) -> Path:
    """Return the first file that exists. If none exists, return the usual file."""
    return next((path for path in (usual, *others) if path.exists()), usual)


def _refuse_windows(tool: str) -> None:
    if sys.platform == "win32":
        raise Misuse(f"keyfob setup {tool} does not work on Windows yet", hint="keyfob help docs/tools.md shows how.")
