"""`keyfob status`: the state of a login and its expiry times. Only `--online` sends a request."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import (
    app_of,
    check_issuer,
    check_subject,
    choose,
    known_app,
    known_names,
    not_logged_in,
    stored_app,
)
from keyfob.cli.settings import Setting
from keyfob.client.io.state_files import PendingFiles
from keyfob.client.io.vault.files import agent_socket
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.profile import command
from keyfob.client.model.storage_choice import WORDS, Place
from keyfob.client.session.freshness import LoginStatus, login_status
from keyfob.client.session.report import NOT_LOGGED_IN, status_facts, status_members, status_words
from keyfob.errors import KeyfobError, LoginRequired, Malformed, Refused, Unreachable, VaultUnavailable
from keyfob.login import App, StoredLogin
from keyfob.protocol.http import Request

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
    """The state of one login.

    Attributes:
        was_asked: Whether the issuer has responded to a request that tested this login.
        place: The storage place of the vault's key, or "file"; None if no place was chosen yet.
        problem: The error that occurred while the state was determined.
        is_known: Whether the issuer and the client id are known.
        pinned: The settings in a project's file that select this login.
    """

    name: str
    status: LoginStatus
    stored: StoredLogin | None = None
    was_asked: bool = False
    place: Place | None = None
    is_sealed: bool = False
    problem: KeyfobError | None = None
    is_known: bool = True
    pinned: Mapping[str, Setting] = field(default_factory=dict[str, Setting])

    @property
    def waits(self) -> bool:
        """Whether a login of this profile is pending."""
        return PendingFiles().profile(self.name) is not None


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument(
        "--online", action="store_true", help="ask the issuer, by a refresh or by a request for the user's profile"
    )
    parser.add_argument("--all", action="store_true", help="every profile")
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    if flags.all:
        reports = [_stored_report(name, is_online=flags.online) for name in known_names()]
    else:
        reports = [_chosen_report(flags)]
    if not reports:
        output.remark("there is no profile yet; keyfob login creates one")
    for report in reports:
        if flags.json:
            output.result_object(_members(report))
        else:
            _print(report)
    exits = {_EXITS[report.status.state] for report in reports} or {LoginRequired.exit}
    return next((code for code in _WORST_FIRST if code in exits), DONE)


def _chosen_report(flags: Namespace) -> Report:
    """Return the report on the chosen profile.

    Raises:
        Refused: Another account than the settings require is logged in.
    """
    if agent_socket() is not None:
        given = known_app(flags)
        return _report(given.profile.name, given, is_online=False)
    chosen = choose(flags)
    check_issuer(chosen)
    app = None if chosen.profile is None else app_of(chosen.profile)
    pinned = {name: setting for name, setting in chosen.settings.items() if setting.kind == "project"}
    report = replace(_report(chosen.name, app, is_online=False), pinned=pinned)
    if report.stored is None or app is None:
        return report
    check_subject(chosen, report.stored)
    return _ask_issuer(report, app) if flags.online else report


def _stored_report(name: str, *, is_online: bool) -> Report:
    try:
        app = stored_app(name)
    except KeyfobError as problem:
        return Report(name, replace(NOT_LOGGED_IN, state="vault-unavailable"), problem=problem)
    return _report(name, app, is_online=is_online)


def _report(name: str, app: App | None, *, is_online: bool) -> Report:
    if app is None:
        return Report(name, NOT_LOGGED_IN, is_known=False)
    try:
        stored = app.session().stored()
    except LoginRequired:
        return Report(name, NOT_LOGGED_IN)
    except VaultUnavailable as problem:
        return Report(name, replace(NOT_LOGGED_IN, state="vault-unavailable"), problem=problem)
    if not isinstance(app.vault, FileVault):
        return Report(name, login_status(stored, datetime.now(UTC), is_machine=False), stored)
    seals = Seals()
    found = Report(
        name,
        login_status(stored, datetime.now(UTC), is_machine=app.profile.is_machine),
        stored,
        place=seals.note().place,
        is_sealed=FileVault(None, seals).is_sealed(name),
    )
    return _ask_issuer(found, app) if is_online else found


def _ask_issuer(report: Report, app: App) -> Report:
    """Test the login at the issuer, by a refresh or by a request to the userinfo endpoint."""
    session = app.session(output.notice)
    try:
        if not report.status.renews:
            return _ask_userinfo(report, app)
        session.token(renew=True)
        fresh = session.stored()
    except (Unreachable, Malformed) as problem:
        return replace(report, status=replace(report.status, state="offline-unknown"), problem=problem)
    except LoginRequired as problem:
        return replace(report, status=replace(NOT_LOGGED_IN, access_until=report.status.access_until),
                       was_asked=True, problem=problem)  # fmt: skip
    except Refused as problem:  # such as for a wrong client secret: the login may still be valid, as is its token
        return replace(report, was_asked=True, problem=problem)
    status = login_status(fresh, datetime.now(UTC), is_machine=app.profile.is_machine)
    return replace(report, status=status, stored=fresh, was_asked=True)


def _ask_userinfo(report: Report, app: App) -> Report:
    """Test a login that has no refresh token, by a request to the userinfo endpoint (OIDC Core §5.3).

    Raises:
        Malformed: The response has no `sub`, or the `sub` of another user.
    """
    if report.status.state == "login-needed":
        return report
    address = app.metadata().userinfo_endpoint
    if address is None or report.stored is None or "openid" not in report.stored.scope.names:
        return report
    answer = app.session().send(Request("GET", address))
    if answer.status == 401:  # 403 only means that the token is not for this endpoint (RFC 6750 §3.1)
        problem = Refused("the issuer no longer accepts the access token")
        return replace(report, status=NOT_LOGGED_IN, was_asked=True, problem=problem)
    if answer.status != 200 or report.stored.subject is None:
        return report  # without an ID token, there is no subject to compare with the response
    from keyfob.client.flows.id_token import check_userinfo  # noqa: PLC0415  loads cryptography; only --online needs it

    check_userinfo(answer, report.stored.subject)
    return replace(report, was_asked=True)


def _members(report: Report) -> dict[str, object]:
    stored, status, problem = report.stored, report.status, report.problem
    return {
        "profile": report.name,
        "state": status.state,
        "asked": report.was_asked,
        **status_members(stored, status),
        "waiting": report.waits,
        "store": None if stored is None else {"place": report.place, "sealed": report.is_sealed},
        "pinned": {name: setting.value for name, setting in report.pinned.items()},
        "problem": None if problem is None else output.error_members(problem),
    }


def _print(report: Report) -> None:
    output.result(f"{report.name}: {status_words(report.status, datetime.now(UTC))}")
    for line in output.columns(_facts(report) or [("", "")]):
        if line:
            output.result(f"  {line}")
    if report.waits:
        output.remark("a login waits for its approval")
        output.detail(f"Run: {command('login', report.name)} --resume")
    if report.problem is not None:
        output.failure(report.problem, as_json=False)
    elif report.status.state == "login-needed" and not report.waits:
        output.remark(
            f"run: {command('login', report.name)}" if report.is_known else not_logged_in(report.name).hint_with_flags
        )


def _facts(report: Report) -> list[tuple[str, str]]:
    if report.stored is None:
        return []
    facts = [
        *status_facts(report.stored, report.status),
        ("stored", _place(report)),
        ("asked", "the issuer, just now" if report.was_asked else None),
        ("pinned", _pinned(report)),
    ]
    return [(name, value) for name, value in facts if value]


def _place(report: Report) -> str:
    if agent_socket() is not None:
        return "where keyfob agent runs (KEYFOB_AGENT)"
    return WORDS[report.place] if report.is_sealed and report.place else WORDS["file"]


def _pinned(report: Report) -> str | None:
    """Return the settings in a project's file that select this login, with the file's path; None if there are none."""
    if not report.pinned:
        return None
    return f"{', '.join(report.pinned)}, set by {next(iter(report.pinned.values())).where}"
