"""`keyfob login`: log in and store the tokens."""

from __future__ import annotations

import contextlib
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace

from keyfob.cli import events, output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.first_login import complete, read_words
from keyfob.cli.flags import SOURCES, add_json_flag, add_profile_flag, duration, port
from keyfob.cli.profiles import ChosenProfile, app_of, check_subject, name_of, profile_of
from keyfob.client.flows.given_token import LARGEST
from keyfob.client.io.state_files import PendingFiles
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.presets import NAMES
from keyfob.client.model.profile import DPOP, command
from keyfob.client.model.source import ASSERTION_AUDIENCES, IDENTITY_USES, Place
from keyfob.client.model.stored_login import greeting
from keyfob.client.session.login import is_other_client
from keyfob.client.session.report import account_question
from keyfob.client.session.storage import refuse_other
from keyfob.errors import KeyfobError, LoginDeclined, LoginRequired, Misuse, Refused, TimedOut, VaultUnavailable
from keyfob.login import App, Assurance, Notice, Profile, StoredLogin
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run as run_flow

_FLOWS = ("auto", "browser", "device", "paste", "machine", "password")

_PLACES: dict[Place, tuple[str, str]] = {
    "env": ("variable", "NAME"),
    "file": ("file", "PATH"),
    "keyring": ("keyring item", "SERVICE/NAME"),
}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", metavar="URL", help="the same as --issuer")
    parser.add_argument("id", nargs="?", metavar="CLIENT_ID", help="the same as --client-id")
    add_profile_flag(parser)
    parser.add_argument(
        "--issuer", metavar="URL", help=f"the authorization server, exactly as its metadata writes it; or {NAMES}"
    )
    parser.add_argument("--client-id", metavar="ID", help="the client ID at that issuer")
    parser.add_argument("--audience", metavar="API", help="the identifier of the API that the token is for")
    scopes = parser.add_mutually_exclusive_group()
    scopes.add_argument("--scope", metavar="NAMES", action="append", help="scopes to request; repeatable")
    scopes.add_argument(
        "--add-scope",
        metavar="NAMES",
        action="append",
        help="scopes to request in addition to those of this login; repeatable",
    )
    parser.add_argument(
        "--exact-scope",
        action="store_true",
        help=(
            "request only these; otherwise openid, profile, email and offline_access are added if "
            "the issuer supports them"
        ),
    )
    parser.add_argument("--flow", choices=_FLOWS, help="how to log in; auto chooses the safest flow that works here")
    parser.add_argument("--dpop", choices=DPOP, help="bind tokens to a key of this login (default: off)")
    parser.add_argument(
        "--acr", metavar="VALUES", help="authentication context classes to request, as the issuer defines them"
    )
    parser.add_argument(
        "--prompt",
        action="append",
        choices=("login", "consent", "select_account"),
        help="in the browser flow: make the issuer ask for this; some issue refresh tokens only after consent",
    )
    parser.add_argument(
        "--max-age", metavar="TIME", help="the maximum age of your last authentication at the issuer: 0, 90s, 5m, 2h"
    )
    parser.add_argument("--switch-account", action="store_true", help="allow another account than the stored login's")
    parser.add_argument("--open", action="store_true", help="in the device flow: open the page on this computer")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("--no-wait", action="store_true", help="show the code and return at once; then use --resume")
    waiting.add_argument("--resume", action="store_true", help="wait for the approval after --no-wait")
    waiting.add_argument(
        "--with-token", action="store_true", help="for CI: store the access token on stdin; it is not refreshed"
    )
    parser.add_argument(
        "--clipboard",
        action="store_true",
        help="in the device flow: copy the code to the clipboard, also over SSH if the terminal allows it (OSC 52)",
    )
    back = parser.add_argument_group("redirect URI of the browser flow, if the issuer compares it exactly")
    back.add_argument("--port", metavar="N", action="append", type=port, help="a port of 127.0.0.1; repeatable")
    back.add_argument(
        "--callback", metavar="URL", action="append", help="a whole address, such as http://localhost:8484/; repeatable"
    )
    legacy = parser.add_argument_group(
        "password grant (--flow password): legacy, for servers that support nothing else"
    )
    legacy.add_argument(
        "--allow-password",
        action="store_true",
        help=(
            "allow the password grant for this profile; keyfob asks for user name and password, or "
            "reads two lines from stdin"
        ),
    )
    legacy.add_argument(
        "--username",
        metavar="NAME",
        help="the user name; keyfob then asks for the password only, or reads one line. Not stored",
    )
    legacy.add_argument("--realm", metavar="NAME", help="the user directory, if the server has several")
    odd = parser.add_argument_group("issuers with special requirements")
    odd.add_argument(
        "--ca", metavar="FILE", help="certificate authorities to trust in addition to the system's, in PEM (KEYFOB_CA)"
    )
    odd.add_argument("--resource", metavar="URL", help="the API's address (RFC 8707), instead of --audience")
    odd.add_argument(
        "--endpoint",
        metavar="NAME=URL",
        action="append",
        help="an endpoint that the issuer's metadata lacks, such as device_authorization_endpoint; repeatable",
    )
    odd.add_argument(
        "--assertion-audience",
        choices=ASSERTION_AUDIENCES,
        help="the audience of client assertions; older issuers require the token endpoint",
    )
    parser.add_argument(
        "--store",
        choices=("require", "prefer", "file"),
        help=(
            "how tokens are stored: encrypted or not at all, encrypted if possible (default), or in "
            "a plain file (KEYFOB_STORE)"
        ),
    )
    own = parser.add_argument_group(
        "client secret or private key; with --flow machine, of a service account"
    ).add_mutually_exclusive_group()
    for source in SOURCES:
        what = "secret" if source.kind == "secret" else "private key (PEM or JWK)"
        where, metavar = _PLACES[source.place]
        flag = f"--{source.kind}-{source.place}"
        own.add_argument(flag, metavar=metavar, help=f"the {where} that contains the client's {what}")
    shown = parser.add_argument_group("client certificate, for issuers and APIs that require one (RFC 8705)")
    shown.add_argument(
        "--certificate",
        metavar="FILE",
        help=(
            "the certificate in PEM; it authenticates a client without a secret, key or identity (KEYFOB_CERTIFICATE)"
        ),
    )
    shown.add_argument(
        "--certificate-key",
        metavar="FILE",
        help="its private key in PEM, if not in the same file (KEYFOB_CERTIFICATE_KEY)",
    )
    platform = parser.add_argument_group("workload identity, with --flow machine")
    platform.add_argument("--identity", metavar="PLATFORM", help="github, gitlab:VARIABLE, google, azure, kubernetes, "
                          "file:PATH or env:VARIABLE (keyfob help docs/login.md)")  # fmt: skip
    platform.add_argument("--identity-as", choices=IDENTITY_USES, help="how the platform's token is used")
    add_json_flag(parser)
    parser.usage = "keyfob login [URL [CLIENT_ID]] [--profile NAME] [--audience API] [--scope S] [FLAG ...]"
    parser.epilog = "Settings are stored for the next login. With --json, each event is printed when it happens."


def run(flags: Namespace) -> int:
    read_words(flags)
    chosen = complete(flags)
    profile = _pending_profile(flags) if flags.resume else profile_of(chosen)
    if flags.add_scope:
        profile = _with_added_scope(profile, Scope.read(" ".join(flags.add_scope)))
    app = app_of(profile, store=flags.store)
    log_in = _pinned_to(chosen, app, _login_step(flags, app, chosen.subject))
    if not flags.json:
        stored = _at_terminal(log_in, profile)
        ProfileFiles().save(app.profile)
        if stored is not None:
            output.remark(greeting(stored, is_machine=profile.is_machine))
            output.detail(f"Next: {command('token', profile.name)}, or {command('call URL', profile.name)}")
        else:
            output.remark(f"when it is approved, run: {_resume_command(profile.name)}")
        return DONE
    try:
        stored = log_in(events.show)
    except LoginDeclined:
        output.result_object({"event": "denied"})
        raise
    except TimedOut:
        output.result_object({"event": "expired"})
        raise
    ProfileFiles().save(app.profile)
    if stored is not None:
        output.result_object(events.granted(app.profile, stored))
    return DONE


def _with_added_scope(profile: Profile, added: Scope) -> Profile:
    """Return the profile with more scopes: `added`, and its stored login's scopes that keyfob did not add itself."""
    own = Scope()
    with contextlib.suppress(KeyfobError):
        own = app_of(profile).session().stored().scope - profile.added_scope
    return replace(profile, scope=profile.scope | own | added)


_LogIn = Callable[[Callable[[Notice], None] | None], StoredLogin | None]


def _pinned_to(chosen: ChosenProfile, app: App, log_in: _LogIn) -> _LogIn:
    """Return a login step that fails if the user logs in with another account than the settings require.

    If no login was stored before, the failed step also logs the other account out.
    """
    if chosen.subject is None:
        return log_in

    def log_in_as_pinned(notify: Callable[[Notice], None] | None) -> StoredLogin | None:
        was_empty = _is_empty(app)
        stored = log_in(notify)
        try:
            if stored is not None:
                check_subject(chosen, stored)
        except Refused:
            if was_empty:
                app.session().log_out()
            raise
        return stored

    return log_in_as_pinned


def _is_empty(app: App) -> bool:
    try:
        app.session().stored()
    except KeyfobError:
        return True
    return False


def _resume_command(name: str) -> str:
    return f"{command('login', name)} --resume"


def _login_command(profile: Profile) -> str:
    """Return the command for the same login in another terminal. Settings that are not stored become flags."""
    ours = command("login", profile.name)
    if ProfileFiles().load(profile.name) == profile:
        return ours
    flags = {
        "--issuer": profile.issuer,
        "--client-id": profile.client_id,
        "--resource" if profile.is_resource else "--audience": profile.audience,
        "--scope": profile.scope.write(),
    }
    words = [f"{name} {shlex.quote(value)}" for name, value in flags.items() if value]
    return " ".join([ours, *words, *(["--exact-scope"] if profile.has_exact_scope else [])])


def _pending_profile(flags: Namespace) -> Profile:
    """Return the profile of the pending login.

    Raises:
        LoginRequired: There is no pending login.
    """
    name = name_of(flags)
    profile = PendingFiles().profile(name)
    if profile is None:
        raise LoginRequired("there is no pending login to resume", hint=f"Run: {command('login', name)}")
    return profile


def _login_step(flags: Namespace, app: App, pinned: str | None = None) -> _LogIn:
    """Return the step that the flags select: log in, resume, begin (which returns None), or take a token.

    Raises:
        Misuse: The flags contradict each other.
    """
    max_age = None if flags.max_age is None else duration(flags.max_age, "--max-age")
    assurance = Assurance(tuple((flags.acr or "").split()), max_age, tuple(flags.prompt or ()))
    if assurance and flags.resume:
        raise Misuse("--acr, --max-age and --prompt belong to the start of a login; omit them with --resume")
    if flags.no_wait:

        def begin(notify: Callable[[Notice], None] | None) -> None:
            app.begin(notify, assurance=assurance)

        return begin
    may_replace_account = _account_switch(flags, pinned, _other_login(flags, app))
    if flags.with_token:
        if assurance:
            raise Misuse("--acr, --max-age and --prompt do not work with --with-token, since no user logs in")
        given = _given_token()
        return lambda notify: run_flow(
            app.login(app.find_world(notify)).take_token(given, may_replace_account=may_replace_account)
        )

    def accepts(stored: StoredLogin) -> bool:
        # With --switch-account, the user must log in here: a login that another process stored meanwhile is not used.
        return not flags.switch_account and pinned in {None, stored.subject}

    if flags.resume:
        return lambda notify: app.resume(notify, may_replace_account=may_replace_account, accepts=accepts)
    ask = events.ask if flags.json else None

    def log_in(notify: Callable[[Notice], None] | None) -> StoredLogin:
        with app.at_screen(notify, ask, copies_code=flags.clipboard) as world:
            return run_flow(
                app.login(world).log_in(
                    opens_page=flags.open,
                    assurance=assurance,
                    may_replace_account=may_replace_account,
                    accepts=accepts,
                )
            )

    return log_in


def _given_token() -> Secret:
    """Return the token on stdin.

    Raises:
        Misuse: stdin is empty, or is a terminal, which would display the token.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise Misuse("--with-token reads the token from stdin", hint="For example: keyfob login --with-token < FILE")
    return Secret(sys.stdin.read(LARGEST + 1))


def _other_login(flags: Namespace, app: App) -> StoredLogin | None:
    """Return the profile's stored login if its client or issuer differs from the requested one. Ask to replace it.

    Raises:
        Misuse: The user wants to keep the stored login.
    """
    try:
        before = run_flow(app.vault.load(app.profile.name))
    except VaultUnavailable:
        return None
    if before is None or (before.issuer, before.client_id) == (app.profile.issuer, app.profile.client_id):
        return None
    who = before.person or before.client_id
    held = f"the profile {app.profile.name} contains the login of {who} at {before.issuer}"
    if flags.json:
        output.result_object({"event": "replaces", "issuer": before.issuer, "client_id": before.client_id})
    elif not output.has_user():
        output.remark(f"{held}, which the new login replaces; to keep both, add --profile NAME")
    elif not output.agreed(f"{held}; replace it?"):
        refuse_other(app.profile)
    return before


def _account_switch(
    flags: Namespace, pinned: str | None = None, replaced: StoredLogin | None = None
) -> Callable[[StoredLogin, StoredLogin], bool]:
    """Return a function that decides whether a new login may replace the stored login of another account.

    If the stored login is of another client, the function agrees only for the login `replaced`, of which the user was
    informed before. If not, it refuses a new login of another account than `pinned`. Otherwise, a flag or the user
    decides.
    """

    def may_replace_account(before: StoredLogin, after: StoredLogin) -> bool:
        if is_other_client(before, after):
            return replaced is not None and not is_other_client(before, replaced)
        if pinned is not None and after.subject != pinned:
            return False
        if flags.switch_account:
            return True
        if flags.json or not output.has_user():
            return False
        return output.agreed(account_question(before, after))

    return may_replace_account


def _at_terminal(log_in: _LogIn, profile: Profile) -> StoredLogin | None:
    """Log in at the terminal. Without a terminal, raise an error that contains the command to run in a terminal.

    Raises:
        LoginRequired: There is no terminal.
        KeyboardInterrupt: The user pressed Ctrl-C.
    """
    try:
        return log_in(None)
    except KeyboardInterrupt:
        if PendingFiles().profile(profile.name) is not None:
            sys.stderr.write("\n")
            output.remark(
                f"the code is still valid for a while; to continue waiting, run: {_resume_command(profile.name)}"
            )
        raise
    except LoginRequired as problem:
        if problem.code == "no-terminal":
            ours = _login_command(profile)
            problem.more = {"run": ours, "run_and_show_events": f"{ours} --json"}
        raise
