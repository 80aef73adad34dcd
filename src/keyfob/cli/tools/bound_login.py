"""Find the login whose token a tool may get for a URL.

The project's file is not read, since a tool may run in a folder with files of others. The user is never asked, since
many tools may run at once.
"""

from __future__ import annotations

from argparse import Namespace
from typing import NoReturn

from keyfob.cli.profiles import ChosenProfile, app_of, check_subject, not_logged_in, readable_profiles
from keyfob.cli.settings import find_settings
from keyfob.client.io.origin_files import OriginFiles, ToolFile, login_key
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.session.destination import judge_destination
from keyfob.errors import Misuse
from keyfob.login import App, Profile
from keyfob.protocol.address import is_safe, origin_of


def find_bound(tool: str, url: str, named: str | None) -> App | None:
    """Return the login whose token a tool may get for a URL, or None if there is none.

    Either `keyfob setup` has bound the login to the URL's origin, or `judge_destination` decides that the login's token
    is for the URL. A tool's request never binds a login.

    Args:
        tool: The name of the helper.
        url: The URL for which the tool requests a token.
        named: The profile that the tool names, or None.

    Raises:
        LoginRequired: The bound profile has no login.
        Misuse: The bound profile now has another login, or several logins are possible.
        Refused: Another account than the settings require is logged in.
    """
    if not is_safe(url):
        return None
    chosen = find_settings(Namespace(profile=named or None), reads_project=False).name
    is_named = chosen.kind in {"flag", "environment"}
    bound = [line for line in ToolFile().load() if (line.tool, line.origin) == (tool, origin_of(url))]
    for line in bound:
        if is_named and line.profile != chosen.value:
            continue
        profile = ProfileFiles().load(line.profile)
        if profile is None:
            raise not_logged_in(line.profile)
        if login_key(profile) != line.login:
            _refuse_changed(tool, line.origin, line.profile)
        return _app_of(profile)
    profiles = readable_profiles(chosen.value)
    found = [
        profile
        for profile in profiles
        if (not is_named or profile.name == chosen.value)
        and judge_destination(profile, OriginFiles().load(profile).known, url) == "ours"
    ]
    if len(found) > 1 and found[0].name != chosen.value:
        names = ", ".join(sorted(profile.name for profile in found))
        raise Misuse(f"several logins are bound to this address: {names}", hint="Set KEYFOB_PROFILE to one of them.")
    return _app_of(found[0]) if found else None


def _app_of(profile: Profile) -> App:
    """Return the login of a profile.

    Raises:
        Refused: Another account than the settings require is logged in.
    """
    app = app_of(profile)
    if isinstance(app.vault, FileVault) and app.vault.seals is not None:
        app.vault.seals.asks = False
    settings = find_settings(Namespace(profile=profile.name), reads_project=False)
    pin = settings.find("subject", profile.issuer)
    if pin is not None:
        check_subject(ChosenProfile(profile.name, profile, {"subject": pin}), app.session().stored())
    return app


def _refuse_changed(tool: str, origin: str, name: str) -> NoReturn:
    raise Misuse(
        f"the profile {name} now has another login than {tool} was set up with; its token was not sent",
        code="other-api",
        hint=f"To use it for {origin}, run keyfob setup for {tool} again, with --profile {name}",
    )
