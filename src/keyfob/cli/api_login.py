"""Find the stored login for an API's URL. If there is none, log in at the issuer that the API's metadata names."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from keyfob.cli import events, output
from keyfob.cli.profiles import app_of, first_login, known_app, name_of, readable_profiles
from keyfob.client.flows.resource_discovery import ApiFound, covers, profile_name, resources_of
from keyfob.client.io.http.anonymous import AnonymousClient
from keyfob.client.io.origin_files import OriginFiles
from keyfob.client.io.vault.files import agent_socket
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.presets import expand
from keyfob.client.session.destination import is_worth_keeping, judge_destination
from keyfob.errors import LoginDeclined, LoginRequired, Malformed, Misuse
from keyfob.login import App, Profile
from keyfob.protocol.address import origin_of
from keyfob.protocol.http import Response

_AUTH0: Final = ".auth0.com"  # issuers with this suffix take `audience` in place of `resource`


def add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--send-token",
        action="store_true",
        help="send this login's token to that address, even if it may be for another API; remembered",
    )
    add_issuer_flags(parser)


def add_issuer_flags(parser: ArgumentParser) -> None:
    """Add the flags of a first login for an API that is known only by its URL."""
    found = parser.add_argument_group("an API for which there is no login yet (RFC 9728)")
    found.add_argument(
        "--trust-issuer",
        metavar="URL",
        action="append",
        default=[],
        help="trust this issuer: log in there without asking, if the API accepts its tokens",
    )
    # `dest` is not `client_id`, since `choose` would then look for a stored login of this client.
    found.add_argument("--client-id", metavar="ID", dest="new_client_id", help="the client ID at that issuer")


def find_login(flags: Namespace, url: str) -> App | None:
    """Return the login whose token may be sent to a URL, or None if there is none.

    Raises:
        Misuse: The login of the named profile is for another API.
    """
    is_named = bool(flags.profile or os.environ.get("KEYFOB_PROFILE"))
    is_stored_here = agent_socket() is None
    if is_stored_here and not is_named and not flags.send_token and (own := _find_own(url)) is not None:
        return app_of(own)
    try:
        app = known_app(flags)
    except LoginRequired:
        return None
    verdict = judge_destination(app.profile, OriginFiles().load(app.profile).known, url)
    if flags.send_token or verdict in {"ours", "first"}:
        return app
    if not is_named and verdict == "strange":
        return None
    if _has_user(flags) and output.agreed(f"this login is for another API; send its token to {origin_of(url)} anyway?"):
        flags.send_token = True
        return app
    if is_named:
        _refuse_other_api()
    return None


def unauthenticated_client(flags: Namespace) -> AnonymousClient:
    """Return a client that sends no token. The client trusts the certificate authorities of the chosen profile."""
    stored = ProfileFiles().load(name_of(flags))
    return AnonymousClient(os.environ.get("KEYFOB_CA") or (stored.ca if stored else None))


def remember(flags: Namespace, app: App, url: str) -> None:
    """Bind the login to the origin of a URL, before the token is sent there. The token is sent to no other origin.

    Raises:
        Misuse: Another process has just bound the login to another origin, or the origin cannot be stored.
    """
    if not is_worth_keeping(app.profile, url):
        return
    files, origin = OriginFiles(), origin_of(url)
    is_first = judge_destination(app.profile, files.load(app.profile).known, url) == "first"
    is_kept = files.add(app.profile, origin, only_first=is_first and not flags.send_token)
    if is_first and not is_kept and not flags.send_token:
        _refuse_other_api()


def log_in_at(flags: Namespace, url: str, refusal: Response) -> App:
    """Log in for an API at the issuer that its metadata names, if the user trusts that issuer.

    Raises:
        LoginRequired: There is no terminal, or the API has no metadata.
        LoginDeclined: The user does not trust the issuer.
        Misuse: No client ID is known.
        Malformed: The metadata is invalid.
        KeyfobError: The login failed.
    """
    chosen_name = name_of(flags)
    stored = [one for one in readable_profiles(chosen_name) if one.name == chosen_name or not one.is_machine]
    trusted = [*(expand(given).issuer for given in flags.trust_issuer), *(profile.issuer for profile in stored)]
    try:
        found = unauthenticated_client(flags).find(url, refusal, trusted)
    except Malformed as problem:
        if problem.code != "metadata-missing":
            raise
        if stored and stored[0].name == name_of(flags):
            _refuse_other_api()
        hint = first_login(name_of(flags))
        raise LoginRequired(
            "you are not logged in, and the API does not say which issuer it trusts", hint=hint
        ) from None
    is_new = found.issuers[0] not in trusted
    if is_new and _has_user(flags):
        _ask_whether_trusted(flags, url, found)
    profile = _profile_for(flags, found, stored)
    if is_new and not _has_user(flags):
        _ask_whether_trusted(flags, url, found)
    app = app_of(profile)
    try:
        app.log_in(events.show if flags.json else None, ask=events.ask if flags.json else None)
    except LoginRequired as problem:
        if problem.code == "no-terminal":
            _name_command(problem, "Run in a terminal", _login_commands(flags, url, found), as_json=flags.json)
        raise
    ProfileFiles().save(app.profile)
    return app


def _find_own(url: str) -> Profile | None:
    """Return the profile that a first login for the API at this URL created, or None if there is none."""
    for resource in resources_of(url):
        for spelled in (resource, f"{resource}/"):
            stored = ProfileFiles().load(profile_name(spelled))
            # A profile of another issuer than the one in KEYFOB_ISSUER is not used.
            issuer = os.environ.get("KEYFOB_ISSUER")
            if stored is None or (issuer and expand(issuer).issuer != stored.issuer):
                continue
            if covers(stored.audience or "", url):
                return stored
    return None


def _ask_whether_trusted(flags: Namespace, url: str, found: ApiFound) -> None:
    """Show the issuer, and ask the user whether to trust it. No browser is opened before the user agrees.

    Raises:
        LoginRequired: There is no terminal.
        LoginDeclined: The user does not trust the issuer.
    """
    if not _has_user(flags):
        message = (
            "the API requires a login at an issuer that you have not used yet, and there is no terminal to ask you"
        )
        problem = LoginRequired(message, code="new-issuer")
        _name_command(problem, "If you trust it, run", _login_commands(flags, url, found), as_json=flags.json)
        raise problem
    output.remark(f"the API {found.resource} requires a login at an issuer that you have not used yet:")
    output.detail(found.issuers[0])
    if found.scope:
        output.detail(f"requested scope: {found.scope.write()}")
    if not output.agreed("do you trust this issuer, and want to log in there?"):
        raise LoginDeclined("no login was started", hint="Nothing was opened or stored.")


def _login_commands(flags: Namespace, url: str, found: ApiFound) -> dict[str, str]:
    """Return JSON members for a calling program: the API, and commands that log in.

    The commands do not contain the headers and body of the call.
    """
    words = ["keyfob", *getattr(flags, "login_verb", ("call",)), "--trust-issuer", found.issuers[0]]
    words += ["--client-id", flags.new_client_id] if flags.new_client_id else []
    words += ["--profile", flags.profile] if flags.profile else []
    return {
        "issuer": found.issuers[0],
        "resource": found.resource,
        "scope": found.scope.write(),
        "run": shlex.join([*words, url]),
        "run_and_show_events": shlex.join([*words, "--json", url]),
    }


def _name_command(problem: LoginRequired, lead: str, commands: dict[str, str], *, as_json: bool) -> None:
    problem.more = commands
    problem.flags = ""
    problem.hint = f"{lead}: {commands['run_and_show_events' if as_json else 'run']}"


def _profile_for(flags: Namespace, found: ApiFound, stored: list[Profile]) -> Profile:
    """Return a new profile for this API. The client ID comes from a flag, the environment or another profile.

    Raises:
        Misuse: No client ID is known, or the profile's name is taken.
    """
    issuer = found.issuers[0]
    name = flags.profile or os.environ.get("KEYFOB_PROFILE") or profile_name(found.resource)
    if any(profile.name == name and profile.audience != found.resource for profile in stored):
        raise Misuse(
            "another login already has the name that this API's login would get",
            hint="Choose another name: --profile NAME",
        )
    client_id = flags.new_client_id or _client_of_environment(issuer)
    is_resource = not issuer.rstrip("/").endswith(_AUTH0)
    for base in stored:
        if base.issuer == issuer and client_id in {None, base.client_id}:
            return replace(
                base, name=name, audience=found.resource, scope=found.scope, is_resource=is_resource,
                dpop="require" if found.needs_proof else base.dpop,
            )  # fmt: skip
    if not client_id and not getattr(flags, "json", True) and output.has_user():
        client_id = output.asked(f"client ID, as registered at {issuer}")
    if not client_id:
        raise Misuse(
            "the client ID for the API's issuer is unknown", hint=f"Add --client-id ID, as registered at {issuer}"
        )
    ca = os.environ.get("KEYFOB_CA")
    return Profile(
        name, issuer, client_id, found.resource, found.scope, is_resource=is_resource,
        ca=ca and str(Path(ca).absolute()), dpop="require" if found.needs_proof else "off",
    )  # fmt: skip


def _client_of_environment(issuer: str) -> str | None:
    """Return KEYFOB_CLIENT_ID. Return None if it is not set, or if KEYFOB_ISSUER names another issuer."""
    named = os.environ.get("KEYFOB_ISSUER")
    return None if named and expand(named).issuer != issuer else os.environ.get("KEYFOB_CLIENT_ID") or None


def _has_user(flags: Namespace) -> bool:
    return not flags.json and output.has_user()


def _refuse_other_api() -> NoReturn:
    raise Misuse(
        "this login is for another API; its token was not sent",
        code="other-api",
        hint="If the token is valid for both, add --send-token; keyfob remembers that.",
    )
