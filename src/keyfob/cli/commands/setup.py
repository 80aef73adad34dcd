"""`keyfob setup`: let git, kubectl, aws, docker, pip, npm, pnpm and Bazel use a stored login."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.flags import add_profile_flag
from keyfob.cli.parser import sentence
from keyfob.cli.profiles import name_of, not_logged_in
from keyfob.cli.tools.aws import STS
from keyfob.cli.tools.edits import LauncherFile
from keyfob.cli.tools.exchange import url_of_host
from keyfob.cli.tools.plans import PLANS, EditedFile, SetupPlan, ToolSetup, find_keyfob
from keyfob.client.io.origin_files import ToolFile
from keyfob.client.io.vault.files import home, make_folder
from keyfob.client.io.vault.lock import locked
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.errors import Misuse, SystemFailed
from keyfob.protocol.address import is_safe, origin_of

_PRIVATE: Final = 0o600
_PROGRAM: Final = 0o700
_DOCKER: Final = "docker-credential-keyfob"
_WHAT: Final = {
    "git": "the server",
    "kubectl": "the cluster's address, as in the kubeconfig",
    "docker": "the registry",
    "pip": "the index",
    "npm": "the registry",
    "pnpm": "the registry",
    "bazel": "the address of the remote cache or mirror",
}


@dataclass(frozen=True, slots=True)
class _Change:
    file: EditedFile
    before: str | None
    after: str | None

    @property
    def is_for_reader(self) -> bool:
        """Whether a program that reads the file is installed. True for a file that is itself a program of keyfob."""
        return not self.file.programs or any(shutil.which(program) for program in self.file.programs)


def configure(parser: ArgumentParser) -> None:
    tools = parser.add_subparsers(metavar="TOOL", required=True, dest="tool")
    for name, (does, _) in PLANS.items():
        tool = tools.add_parser(name, help=does, description=sentence(does), allow_abbrev=False)
        if name == "aws":
            tool.add_argument("--role-arn", metavar="ARN", help="the role to assume with web identity")
            tool.add_argument("--name", metavar="NAME", help="the name of the AWS profile (default: keyfob)")
            tool.add_argument("--session-name", metavar="NAME", help="the session name in AWS logs (default: keyfob)")
            tool.add_argument(
                "--sts", metavar="URL", dest="url", default=STS, help=f"the address of STS (default: {STS})"
            )
        else:
            tool.add_argument("url", metavar="URL", help=_WHAT[name])
        add_profile_flag(tool)
        tool.add_argument("--remove", action="store_true", help="remove what keyfob setup has written")
        tool.add_argument("--dry-run", action="store_true", help="show the changes, and change nothing")
    parser.epilog = (
        "The tool gets the login's token for this address only. keyfob changes only its own lines in the tool's files."
    )


def run(flags: Namespace) -> int:
    url = url_of_host(flags.url)
    if flags.tool == "docker":  # whose requests contain only the host, without scheme or path
        url = url_of_host(urlsplit(url).netloc)
    if not is_safe(url):
        raise Misuse("that is not a safe address", hint="It looks like https://git.example.com")
    profile = name_of(flags)
    options = {name: value for name in ("role_arn", "name", "session_name") if (value := getattr(flags, name, None))}
    if flags.remove and flags.tool == "aws":
        options["role_arn"] = "arn:aws:iam::000000000000:role/any"  # any role, since the lines are found by --name
    plan = PLANS[flags.tool][1](ToolSetup(url, profile, find_keyfob(), options))
    with _alone(flags):
        return _remove(flags, plan, url) if flags.remove else _add(flags, plan, url, profile)


def _alone(flags: Namespace) -> AbstractContextManager[None]:
    """Return a lock that lets only one `keyfob setup` at a time read and write the tools' files."""
    if flags.dry_run:
        return contextlib.nullcontext()
    make_folder(home())
    return locked(home() / "setup.lock")


def _add(flags: Namespace, plan: SetupPlan, url: str, name: str) -> int:
    profile = ProfileFiles().load(name)
    if profile is None:
        raise not_logged_in(name)
    origin = origin_of(url)
    changes = [_Change(file, before := _read(file.path), file.edit.apply(before)) for file in plan.files]
    settings = [change for change in changes if change.file.programs]
    is_installed = any(change.is_for_reader for change in settings)
    written = [change for change in changes if change.is_for_reader and change.after is not None]
    left = [change for change in settings if change.after is None or not is_installed]
    output.remark(f"{flags.tool} now gets the token of the login {name} at {profile.issuer}, for {origin} only")
    for change in written:
        if change.after != change.before:
            _show(change, "add to")
    for change in left:
        _show(change, "write yourself into")
    if not flags.dry_run:
        if plan.helper:
            # All AWS profiles use the origin of STS, each with its own login. So the other bindings are kept.
            ToolFile().add(plan.helper, origin, profile, replaces=flags.tool != "aws")
        for change in written:
            _write(change)
        _finish(flags.tool, plan, is_installed=is_installed)
    return FAILED if is_installed and left else DONE


def _remove(flags: Namespace, plan: SetupPlan, url: str) -> int:
    """Remove the lines for this URL. If the tool is set up for no other URL, remove the shared lines too."""
    others = [line for line in ToolFile().load() if line.tool == plan.helper and line.origin != origin_of(url)]
    files = [file for file in plan.files if not (file.is_shared and others)]
    changes = [_Change(file, before := _read(file.path), file.edit.undo(before)) for file in files]
    for change in changes:
        if change.after != change.before:
            _show(change, "take from")
    if flags.dry_run:
        return DONE
    for change in changes:
        _write(change)
    # Other AWS profiles may still use the origin of STS.
    is_used = flags.tool == "aws" and any("# keyfob: begin aws " in (change.after or "") for change in changes)
    was_bound = not is_used and ToolFile().remove(plan.helper, origin_of(url))
    if not was_bound and all(change.after == change.before for change in changes):
        output.remark("there was nothing to remove")
    return DONE


def _finish(tool: str, plan: SetupPlan, *, is_installed: bool) -> None:
    """Print what the user must still do, if anything, and an example command of the tool."""
    if tool == "docker" and shutil.which(_DOCKER) is None:
        output.remark(f"docker does not find {_DOCKER}: add the folder of keyfob to the PATH")
    if tool == "pip":
        _check_keyring(plan)
    if plan.then:
        output.detail(f"Then run: {plan.then}")
    if is_installed:
        output.detail(f"Try: {plan.example}")


def _check_keyring(plan: SetupPlan) -> None:
    found = shutil.which("keyring")
    made = next((file.path for file in plan.files if isinstance(file.edit, LauncherFile)), None)
    if found is None and made is not None:
        output.remark(f"pip does not find the command keyring: add {made.parent} to the PATH")
    elif found is not None and not LauncherFile.is_own(Path(found)):
        output.remark(f"pip uses {found}, which is another installation; see keyfob help docs/tools.md")


def _show(change: _Change, verb: str) -> None:
    """Print the lines that keyfob changes, and no other lines of the file, which may contain secrets."""
    output.remark(f"{verb} {change.file.path}:")
    for line in change.file.edit.shown():
        output.result(f"  {line}")


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8"
        raise SystemFailed(f"{path} cannot be read: {reason}") from None


def _write(change: _Change) -> None:
    """Replace the file atomically and keep its mode. If the path is a link, replace the link's target.

    Raises:
        SystemFailed: The file cannot be written and is unchanged.
    """
    if change.after == change.before:
        return
    path = change.file.path.resolve()
    mode = _PROGRAM if isinstance(change.file.edit, LauncherFile) else _PRIVATE
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if change.after is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
            file.write(change.after.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(path)
    except OSError as problem:
        raise SystemFailed(f"{path} cannot be written: {problem.strerror or type(problem).__name__}") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
