"""Whose token goes with a call to an address, and a login at an API of which nothing but the address is known."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from keyfob.cli import events, output
from keyfob.cli.profiles import app_of, known_app, name_of
from keyfob.client.flows.resource_discovery import ApiFound, covers, profile_name, resources_of
from keyfob.client.io.http.anonymous import AnonymousClient
from keyfob.client.io.state.origin_files import OriginFiles
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.presets import expand
from keyfob.client.session.destination import is_worth_keeping, judge_destination
from keyfob.errors import Code, LoginDeclined, LoginRequired, Malformed, Misuse, VaultUnavailable
from keyfob.login import App, Profile
from keyfob.protocol.address import origin_of
from keyfob.protocol.http import Response

_AUTH0: Final = ".auth0.com"  # knows APIs by its own word


def add_flags(parser: ArgumentParser) -> None:
    """What a call has to say about tokens and issuers."""
    parser.add_argument("--send-token", action="store_true", help="send this login's token to that address, though it "
                        "is not known to be for it; remembered")  # fmt: skip
    found = parser.add_argument_group("an API for which there is no login yet (RFC 9728)")
    found.add_argument("--trust-issuer", metavar="URL", action="append", default=[], help="log in there without asking "
                       "me, if the API takes its tokens")  # fmt: skip
    # Not `client_id`: that would say whose kept login is meant.
    found.add_argument("--client-id", metavar="ID", dest="new_client_id", help="this program's, at that issuer")


def find_login(flags: Namespace, url: str) -> App | None:
    """The login whose token may go to an address; None where there is none.

    Raises:
        Misuse: The login that was named is for another API.
    """
    is_named = bool(flags.profile or os.environ.get("KEYFOB_PROFILE"))
    if not is_named and not flags.send_token and (own := _find_own(url)) is not None:
        return app_of(own)
    try:
        app = known_app(flags)
    except LoginRequired:
        return None
    known = OriginFiles().load(app.profile).known
    if flags.send_token or judge_destination(app.profile, known, url) != "strange":
        return app
    if not is_named:
        return None
    origin = origin_of(url)
    if not (_has_person(flags) and output.agreed(f"this login is for another API; send its token to {origin}?")):
        _refuse_other_api()
    return app


def stranger(flags: Namespace) -> AnonymousClient:
    """Who calls without a login; trusts whom the login that is meant would trust."""
    kept = ProfileFiles().load(name_of(flags.profile))
    return AnonymousClient(os.environ.get("KEYFOB_CA") or (kept.ca if kept else None))


def remember(app: App, url: str) -> None:
    """An API has taken the token: so it is for that origin, and from now on for no other."""
    if is_worth_keeping(app.profile, url):
        OriginFiles().add(app.profile, origin_of(url))


def log_in_at(flags: Namespace, url: str, refusal: Response) -> App:
    """A login for an API, at the issuer that it names, once the person trusts that.

    Raises:
        LoginRequired: Nobody is here to be asked, or the API does not say where to log in.
        LoginDeclined: The person does not trust the issuer.
        Misuse: No client id is known.
        Malformed: What the API says must not be used.
        KeyfobError: The login failed.
    """
    kept = _kept(name_of(flags.profile))
    trusted = [*(expand(said).issuer for said in flags.trust_issuer), *(profile.issuer for profile in kept)]
    try:
        found = stranger(flags).find(url, refusal, trusted)
    except Malformed as problem:
        if problem.code != "metadata-missing":
            raise
        if kept and kept[0].name == name_of(flags.profile):
            _refuse_other_api()
        hint = "Run: keyfob login --issuer URL --client-id ID"
        raise LoginRequired("not logged in, and the API does not say whose tokens it takes", hint=hint) from None
    profile = _profile_for(flags, found, kept)
    if found.issuers[0] not in trusted:
        _ask_whether_trusted(flags, url, found)
    app = app_of(profile)
    try:
        app.log_in(events.show if flags.json else None, ask=events.ask if flags.json else None)
    except LoginRequired as problem:
        if problem.code == "no-terminal":
            problem.hint = f"Run in a terminal: {_say_what_to_run(flags, url, found, problem.code)}"
        raise
    ProfileFiles().save(app.profile)
    return app


def _kept(first: str) -> list[Profile]:
    """All logins' settings that can be read, the one that is meant first; machines only if they are meant."""
    found: list[Profile] = []
    names = sorted(path.stem for path in ProfileFiles().folder.glob("*.json"))
    for name in dict.fromkeys([first, *names]):
        with contextlib.suppress(VaultUnavailable, Misuse):
            profile = ProfileFiles().load(name)
            if profile is not None and (name == first or not profile.is_machine):
                found.append(profile)
    return found


def _find_own(url: str) -> Profile | None:
    """The login that was made for the API at that address."""
    for resource in resources_of(url):
        for spelled in (resource, f"{resource}/"):
            kept = ProfileFiles().load(profile_name(spelled))
            # The environment is about another login than this, as it is about another than the last.
            meant = os.environ.get("KEYFOB_ISSUER")
            is_meant = kept is not None and (not meant or expand(meant).issuer == kept.issuer)
            if kept is not None and is_meant and covers(kept.audience or "", url):
                return kept
    return None


def _ask_whether_trusted(flags: Namespace, url: str, found: ApiFound) -> None:
    """Show the issuer before anything is opened, and ask.

    Raises:
        LoginRequired: Nobody is here to be asked.
        LoginDeclined: The answer was no.
    """
    if not _has_person(flags):
        ours = _say_what_to_run(flags, url, found, "new-issuer")
        raise LoginRequired("the API takes tokens of an issuer that is new here, and nobody is here to be asked",
                            code="new-issuer", hint=f"If you trust it, run: {ours}")  # fmt: skip
    output.remark(f"the API {found.resource} takes tokens of an issuer that is new here:")
    output.detail(found.issuers[0])
    if found.scope:
        output.detail(f"it would be asked for: {found.scope.write()}")
    if not output.agreed("do you trust it, and log in there?"):
        raise LoginDeclined("nobody was asked for a token", hint="Nothing was opened, and nothing is kept.")


def _say_what_to_run(flags: Namespace, url: str, found: ApiFound, code: Code) -> str:
    """Where nobody is, a program reads on stdout what to run; gives the command. No header and no body is repeated."""
    words = ["keyfob", "call", "--trust-issuer", found.issuers[0]]
    words += ["--client-id", flags.new_client_id] if flags.new_client_id else []
    words += ["--profile", flags.profile] if flags.profile else []
    told = {
        "error": code,
        "issuer": found.issuers[0],
        "resource": found.resource,
        "scope": found.scope.write(),
        "run": shlex.join([*words, url]),
        "run_and_show_events": shlex.join([*words, "--json", url]),
    }
    if not flags.json:
        output.result_object(told)
    return told["run_and_show_events" if flags.json else "run"]


def _profile_for(flags: Namespace, found: ApiFound, kept: list[Profile]) -> Profile:
    """What to log in with: for this API alone, as the program that is known at that issuer.

    Raises:
        Misuse: None is, or the name that the login would have is taken.
    """
    issuer = found.issuers[0]
    name = flags.profile or os.environ.get("KEYFOB_PROFILE") or profile_name(found.resource)
    if any(profile.name == name and profile.audience != found.resource for profile in kept):
        raise Misuse("the name that this API's login would have is taken", hint="Add --profile NAME, with another.")
    said = flags.new_client_id or _client_of_environment(issuer)
    is_resource = not issuer.rstrip("/").endswith(_AUTH0)
    for base in kept:
        if base.issuer == issuer and said in {None, base.client_id}:
            return replace(
                base, name=name, audience=found.resource, scope=found.scope, is_resource=is_resource,
                dpop="require" if found.needs_proof else base.dpop,
            )  # fmt: skip
    if not said:
        raise Misuse(
            "no client id is known at the API's issuer", hint=f"Add --client-id ID, as you are registered at {issuer}"
        )
    ca = os.environ.get("KEYFOB_CA")
    return Profile(
        name, issuer, said, found.resource, found.scope, is_resource=is_resource,
        ca=ca and str(Path(ca).absolute()), dpop="require" if found.needs_proof else "off",
    )  # fmt: skip


def _client_of_environment(issuer: str) -> str | None:
    """No server is told the client id that is meant for another."""
    meant = os.environ.get("KEYFOB_ISSUER")
    return None if meant and expand(meant).issuer != issuer else os.environ.get("KEYFOB_CLIENT_ID") or None


def _has_person(flags: Namespace) -> bool:
    return not flags.json and sys.stdin.isatty() and sys.stderr.isatty()


def _refuse_other_api() -> NoReturn:
    """Say that a token stays here.

    Raises:
        Misuse: Always.
    """
    raise Misuse(
        "this login is for another API than the one that is called; its token was not sent",
        code="other-api",
        hint="If it is for both, add --send-token; it is remembered.",
    )
