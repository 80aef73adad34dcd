"""`keyfob status`: how a login stands, and until when. Asks the issuer with `--online` alone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import (
    FIRST,
    add_json_flag,
    add_profile_flag,
    app_of,
    check_subject,
    choose,
    kept_app,
    known_names,
)
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.profile import command
from keyfob.client.model.storage_choice import WORDS, Place
from keyfob.client.session.freshness import LoginStatus, login_status
from keyfob.errors import KeyfobError, LoginRequired, Malformed, Refused, Unreachable, VaultUnavailable
from keyfob.login import App, StoredLogin
from keyfob.protocol.http import Request

_OK = 200
_NOBODY = LoginStatus("login-needed", None, renews=False, refresh_until=None, ends_at=None)
_WORDS = {
    "logged-in": "logged in",
    "lapsed-but-renews": "logged in; the access token has lapsed, and the next use renews it",
    "login-needed": "not logged in",
    "offline-unknown": "nobody knows: the issuer did not answer",
    "vault-unavailable": "nobody knows: the vault cannot be opened",
}
_EXITS = {
    "logged-in": DONE,
    "lapsed-but-renews": DONE,
    "login-needed": LoginRequired.exit,
    "offline-unknown": Unreachable.exit,
    "vault-unavailable": VaultUnavailable.exit,
}
_WORST_FIRST = (VaultUnavailable.exit, Unreachable.exit, LoginRequired.exit)


@dataclass(frozen=True, slots=True)
class Report:
    """One login.

    Attributes:
        was_asked: Whether the issuer has answered.
        place: Where the vault's key lies, or "file"; None where nothing was decided yet.
        problem: What went wrong on the way.
        is_known: Whether issuer and client id are.
    """

    name: str
    stands: LoginStatus
    stored: StoredLogin | None = None
    was_asked: bool = False
    place: Place | None = None
    is_sealed: bool = False
    problem: KeyfobError | None = None
    is_known: bool = True


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument("--online", action="store_true", help="ask the issuer, by a refresh or for the person's name")
    parser.add_argument("--all", action="store_true", help="every profile")
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    """Tell.

    Raises:
        KeyfobError: The settings cannot be read, or somebody else is logged in than must be.
    """
    reports = [_kept_report(name, is_online=flags.online) for name in known_names()] if flags.all else [_chosen(flags)]
    if not reports:
        output.remark("there is no profile yet; the first keyfob login makes one")
    for report in reports:
        if flags.json:
            output.result_object(_members(report))
        else:
            _say(report)
    exits = {_EXITS[report.stands.state] for report in reports} or {LoginRequired.exit}
    return next((code for code in _WORST_FIRST if code in exits), DONE)


def _chosen(flags: Namespace) -> Report:
    """The login that is meant.

    Raises:
        Refused: Somebody else is logged in than must be.
    """
    chosen = choose(flags)
    app = None if chosen.profile is None else app_of(chosen.profile)
    report = _report(chosen.name, app, is_online=False)
    if report.stored is None or app is None:
        return report
    check_subject(chosen, report.stored)
    return _asked(report, app) if flags.online else report


def _kept_report(name: str, *, is_online: bool) -> Report:
    try:
        app = kept_app(name)
    except KeyfobError as problem:
        return Report(name, replace(_NOBODY, state="vault-unavailable"), problem=problem)
    return _report(name, app, is_online=is_online)


def _report(name: str, app: App | None, *, is_online: bool) -> Report:
    if app is None:
        return Report(name, _NOBODY, is_known=False)
    try:
        stored = app.session().stored()
    except LoginRequired:
        return Report(name, _NOBODY)
    except VaultUnavailable as problem:
        return Report(name, replace(_NOBODY, state="vault-unavailable"), problem=problem)
    seals = Seals()
    found = Report(
        name,
        login_status(stored, datetime.now(UTC), is_machine=app.profile.is_machine),
        stored,
        place=seals.note().place,
        is_sealed=FileVault(None, seals).is_sealed(name),
    )
    return _asked(found, app) if is_online else found


def _asked(report: Report, app: App) -> Report:
    """What the issuer says of it, just now."""
    session = app.session(output.notice)
    try:
        if not report.stands.renews:
            return _asked_for_name(report, app)
        session.token(renew=True)
        fresh = session.stored()
    except (Unreachable, Malformed) as problem:
        return replace(report, stands=replace(report.stands, state="offline-unknown"), problem=problem)
    except Refused as problem:
        return replace(report, stands=replace(_NOBODY, access_until=report.stands.access_until),
                       was_asked=True, problem=problem)  # fmt: skip
    stands = login_status(fresh, datetime.now(UTC), is_machine=app.profile.is_machine)
    return replace(report, stands=stands, stored=fresh, was_asked=True)


def _asked_for_name(report: Report, app: App) -> Report:
    """Where nothing can be renewed, whoever gives names knows whether the token is still good (OIDC Core §5.3).

    Raises:
        Malformed: The answer is about somebody else, or nobody.
    """
    if report.stands.state == "login-needed":
        return report
    address = app.metadata().userinfo_endpoint
    if address is None or report.stored is None or "openid" not in report.stored.scope.names:
        return report
    answer = app.session().send(Request("GET", address))
    if answer.status in {401, 403}:
        problem = Refused("the issuer does not know the access token any more")
        return replace(report, stands=_NOBODY, was_asked=True, problem=problem)
    if answer.status != _OK or report.stored.subject is None:
        return report  # without an ID token nobody can tell whom an answer is about
    from keyfob.client.flows.id_token import check_userinfo  # noqa: PLC0415  loads cryptography; only --online needs it

    check_userinfo(answer, report.stored.subject)
    return replace(report, was_asked=True)


def _members(report: Report) -> dict[str, object]:
    stored, stands, problem = report.stored, report.stands, report.problem
    return {
        "profile": report.name,
        "state": stands.state,
        "asked": report.was_asked,
        "issuer": stored and stored.issuer,
        "client_id": stored and stored.client_id,
        "audience": stored and stored.audience,
        "subject": stored and stored.subject,
        "name": stored and stored.person,
        "scope": stored and stored.scope.write(),
        "access_expires_at": output.instant(stands.access_until),
        "renews": stands.renews,
        "refresh_expires_at": output.instant(stands.refresh_until),
        "session_ends_at": output.instant(stands.ends_at),
        "bound": stored is not None and stored.is_bound,
        "store": None if stored is None else {"place": report.place, "sealed": report.is_sealed},
        "problem": None if problem is None else output.error_members(problem),
    }


def _say(report: Report) -> None:
    output.result(f"{report.name}: {_WORDS[report.stands.state]}")
    for line in output.columns(_facts(report) or [("", "")]):
        if line:
            output.result(f"  {line}")
    if report.problem is not None:
        output.failure(report.problem, as_json=False)
    elif report.stands.state == "login-needed":
        output.remark(f"run: {command('login', report.name)}" if report.is_known else FIRST)


def _facts(report: Report) -> list[tuple[str, str]]:
    stored, stands = report.stored, report.stands
    if stored is None:
        return []
    access = "the API says otherwise" if stands.access_until is None else output.clock(stands.access_until)
    ends = "nobody knows when" if stands.ends_at is None else output.clock(stands.ends_at)
    facts = [
        ("issuer", stored.issuer),
        ("who", stored.person or stored.subject),
        ("access until", access),
        ("refresh until", None if stands.refresh_until is None else output.clock(stands.refresh_until)),
        ("session ends", ends if stands.renews else None),
        ("bound", _bound(stored)),
        ("kept", WORDS[report.place] if report.is_sealed and report.place else WORDS["file"]),
        ("asked", "the issuer, just now" if report.was_asked else None),
    ]
    return [(name, value) for name, value in facts if value]


def _bound(stored: StoredLogin) -> str | None:
    if stored.certificate is not None:
        return "to this program's certificate (mTLS)"
    return "to a key of this login (DPoP)" if stored.is_bound else None
