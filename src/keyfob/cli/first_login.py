"""The questions of `keyfob login` at a terminal: the issuer, the client ID, and whether to trust a project's issuer."""

from __future__ import annotations

from argparse import Namespace

from keyfob.cli import output
from keyfob.cli.profiles import ChosenProfile, choose, readable_profiles
from keyfob.cli.settings import Setting
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.presets import NAMES, expand
from keyfob.client.model.profile import command
from keyfob.errors import LoginDeclined, LoginRequired, Misuse
from keyfob.protocol.address import is_safe

_MOST_OFFERED = 9


def read_words(flags: Namespace) -> None:
    """Take the issuer and the client ID from the arguments after `login`.

    Raises:
        Misuse: A flag also sets the issuer or the client ID.
    """
    for word, name, flag in (("url", "issuer", "--issuer"), ("id", "client_id", "--client-id")):
        value = getattr(flags, word)
        if value is not None and getattr(flags, name) is not None:
            raise Misuse(f"{flag} was given twice, as a flag and as an argument", hint="Pass it once.")
        setattr(flags, name, getattr(flags, name) if value is None else value)


def complete(flags: Namespace) -> ChosenProfile:
    """Choose the profile to log in with. At a terminal, ask the user for a missing issuer or client ID.

    Raises:
        LoginRequired: A project's file sets an issuer that no profile has, and there is no user to ask.
        LoginDeclined: The user does not trust the issuer of the project's file.
        Misuse: The user's answer is not a valid issuer.
    """
    chosen = choose(flags)
    has_user = not flags.json and output.has_user()
    _agree_on_issuer(chosen, has_user=has_user)
    if chosen.profile is not None or not has_user:
        return chosen
    if "issuer" not in chosen.settings:
        flags.issuer = _ask_issuer()
        chosen = choose(flags)
    if chosen.profile is None:
        flags.client_id = _ask_client_id(chosen.settings["issuer"].value)
        chosen = choose(flags)
    return chosen


def _agree_on_issuer(chosen: ChosenProfile, *, has_user: bool) -> None:
    """If only a project's file sets the issuer, ask the user whether to trust it. Others may have written the file."""
    strange = unknown_issuer(chosen)
    if strange is None:
        return
    if not has_user:
        problem = LoginRequired(
            f"{strange.where} names an issuer that you have not used yet, and there is no terminal to ask you",
            code="new-issuer",
        )
        problem.hint = f"If you trust it, run: {command(f'login {strange.value}', chosen.name)}"
        raise problem
    output.remark(f"{strange.where} names an issuer that you have not used yet:")
    output.detail(expand(strange.value).issuer)
    if not output.agreed("do you trust this issuer, and want to log in there?"):
        raise LoginDeclined("no login was started", hint="Nothing was opened or stored.")


def unknown_issuer(chosen: ChosenProfile) -> Setting | None:
    """Return the issuer if a project's file sets it and no profile has it, else None."""
    named = chosen.settings.get("issuer")
    if named is None or named.kind != "project":
        return None
    issuer = expand(named.value).issuer
    return None if any(profile.issuer == issuer for profile in readable_profiles()) else named


def _ask_issuer() -> str:
    """Ask for the issuer. Offer the recently used issuers by number. The default is the issuer of the newest login."""
    known = _issuers_by_use()[:_MOST_OFFERED]
    for number, issuer in enumerate(known, 1):
        output.detail(f"{number}  {issuer}")
    said = output.asked("issuer: its address, or " + NAMES, known[0] if known else "")
    if said.isascii() and said.isdigit() and 0 < int(said) <= len(known):
        return known[int(said) - 1]
    issuer = expand(said).issuer if said else ""
    if not is_safe(issuer):
        raise Misuse("this is not an issuer", hint="It looks like https://login.example.com/ or auth0:TENANT.REGION")
    return said


def _issuers_by_use() -> list[str]:
    """Return the issuers of all profiles. The issuer with the newest login is first."""
    files = ProfileFiles()
    newest = sorted(readable_profiles(), key=lambda profile: files.saved_at(profile.name), reverse=True)
    return list(dict.fromkeys(profile.issuer for profile in newest))


def _ask_client_id(issuer: str) -> str:
    """Ask for the client ID. If the profiles of this issuer have one client ID in common, it is the default."""
    expanded = expand(issuer).issuer
    known = {found.client_id for found in readable_profiles() if found.issuer == expanded}
    return output.asked(f"client ID, as registered at {expanded}", known.pop() if len(known) == 1 else "")
