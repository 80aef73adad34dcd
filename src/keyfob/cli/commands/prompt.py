"""`keyfob prompt`: print the logged-in user for a shell's prompt. This sends no request and asks no question."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import ChosenProfile, check_subject, choose
from keyfob.client.io.prompt_file import PromptFile
from keyfob.client.io.vault.files import agent_socket
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.profile import DEFAULT
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import login_status
from keyfob.errors import KeyfobError, Misuse, Refused, VaultUnavailable
from keyfob.run import run as run_flow

# In the output of a prompt's command, zsh expands %, and some shells expand $, \ and `.
_STRANGE: Final = re.compile(r"[^A-Za-z0-9@._+:| -]")
_LONGEST: Final = 60
_LOCKED: Final = "locked"
_ENDED: Final = "logged out"
_WRONG: Final = "WRONG ACCOUNT"
_UNSAFE: Final = "UNUSABLE .keyfob.toml"
_RETRY: Final = timedelta(minutes=1)  # until the next try, if the vault cannot be opened


class PromptLine(NamedTuple):
    """The texts for the prompt. Until the time `until`, the text `now` is printed, and afterwards the text `then`."""

    now: str
    then: str = ""
    until: datetime | None = None


def configure(parser: ArgumentParser) -> None:
    parser.epilog = "Prints nothing if there is no login, unless the project's .keyfob.toml requires an account."


def run(flags: Namespace) -> int:
    del flags
    if agent_socket() is not None:
        output.result("agent")
        return DONE
    file = PromptFile()
    try:
        chosen = choose(Namespace())
    except (VaultUnavailable, Misuse) as problem:
        output.result(_LOCKED if isinstance(problem, VaultUnavailable) else _UNSAFE)
        return DONE
    file.watch(chosen.name)
    line = _line_of(chosen, datetime.now(UTC))
    if line.now:
        output.result(line.now)
    file.keep(chosen.name, (line.now, line.then), None if line.until is None else int(line.until.timestamp()))
    return DONE


def _line_of(chosen: ChosenProfile, now: datetime) -> PromptLine:
    is_pinned = any(setting.kind == "project" for setting in chosen.settings.values())
    ended = _text(chosen.name, _ENDED) if is_pinned else ""
    try:
        stored = run_flow(FileVault(None, Seals()).load(chosen.name))
    except KeyfobError:
        return PromptLine(_text(chosen.name, _LOCKED), "", now + _RETRY)
    if stored is None:
        return PromptLine(ended, ended)
    if not _is_meant(chosen, stored):
        return PromptLine(_text(chosen.name, _WRONG) if is_pinned else "")
    status = login_status(stored, now, is_machine=chosen.profile is not None and chosen.profile.is_machine)
    if status.state == "login-needed":
        return PromptLine(ended, ended)
    return PromptLine(_text(chosen.name, stored.person or stored.subject or stored.client_id), ended, status.ends_at)


def _is_meant(chosen: ChosenProfile, stored: StoredLogin) -> bool:
    """Return whether the stored login belongs to the issuer and the account that the settings name."""
    if chosen.profile is None or stored.issuer != chosen.profile.issuer:
        return False
    try:
        check_subject(chosen, stored)
    except Refused:
        return False
    return True


def _text(name: str, said: str) -> str:
    return _STRANGE.sub("?", said if name == DEFAULT else f"{name}:{said}")[:_LONGEST]
