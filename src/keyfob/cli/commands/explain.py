"""`keyfob explain`: print where each setting comes from, and why the next login uses its flow and token storage."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.first_login import unknown_issuer
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import ChosenProfile, app_of, choose, first_login
from keyfob.cli.settings import Setting, SettingKind
from keyfob.client.flows.choice import find_browser
from keyfob.client.io.detect import look_around
from keyfob.client.io.state_files import CapabilityFiles
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.storage_choice import PLACES, WORDS, Place
from keyfob.errors import KeyfobError, Unreachable
from keyfob.login import App, Profile

POLICY_VARIABLE = "KEYFOB_STORE"
_FROM: dict[SettingKind, str] = {
    "flag": "this command",
    "environment": "the environment",
    "project": "the project",
    "config": "your settings",
    "login": "the last login",
    "usual": "as usual",
}


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """The flows that a login would try, in order, and the reasons.

    Attributes:
        problem: The error that prevented fetching the issuer's metadata, or None.
    """

    flows: tuple[str, ...]
    reasons: tuple[str, ...]
    problem: KeyfobError | None = None


_UNASKED = FlowPlan(
    (), (("only the project's file names this issuer, so keyfob sends nothing there without your consent"),)
)


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    add_json_flag(parser)
    parser.epilog = "Reads the issuer's metadata, and starts no login. Without a network it shows the rest."


def run(flags: Namespace) -> int:
    chosen = choose(flags)
    settings = _all_settings(chosen)
    app = None if chosen.profile is None else app_of(chosen.profile)
    plan = None if app is None else _plan_of(app) if unknown_issuer(chosen) is None else _UNASKED
    refused = {} if app is None else _refused(app.profile)
    place, why = _place()
    if flags.json:
        problem = None if plan is None or plan.problem is None else output.error_members(plan.problem)
        login = {"ways": list(plan.flows), "reasons": list(plan.reasons), "problem": problem} if plan else None
        output.result_object(
            {
                "settings": {
                    name: {"value": setting.value, "from": setting.kind, "where": setting.where or None}
                    for name, setting in settings.items()
                },
                "files": [str(path) for path in chosen.files],
                "login": login,
                "refused": refused,
                "store": {"place": place, "reasons": why},
            }
        )
        return DONE
    _print_settings(settings)
    if plan is None:
        output.result("Next login: no issuer or client ID is configured")
        output.detail(first_login(chosen.name))
    else:
        _print_plan(plan)
    for flow, when in refused.items():
        output.result(f"  refused before: {flow}, on {when[:10]}")
    output.result(
        f"Tokens: {WORDS[place]}" if place else "Tokens: the place is not chosen yet; the next login chooses it"
    )
    for reason in why:
        output.result(f"  {reason}")
    return DONE


def _all_settings(chosen: ChosenProfile) -> dict[str, Setting]:
    """Return the settings from flags, variables and files. Add the profile's value for each setting that these lack."""
    found = dict(chosen.settings)
    if chosen.profile is None:
        return found
    is_stored = ProfileFiles().load(chosen.name) is not None
    written = cast("dict[str, object]", json.loads(chosen.profile.write()))
    written.pop("way", None)  # the flow, which is already shown as the setting `flow`
    if "resource" in found:
        written.pop("audience", None)
        written.pop("is_resource", None)
    for name, value in written.items():
        if name not in found and value:
            text = value if isinstance(value, str) else json.dumps(value)
            found[name] = Setting(text, "login" if is_stored else "usual")
    return found


def _plan_of(app: App) -> FlowPlan:
    """Return the plan of flows that the next `keyfob login` would follow."""
    profile = app.profile
    if profile.is_machine:
        return FlowPlan(("machine",), ("this profile is a service account",))
    if profile.flow != "auto":
        return FlowPlan((profile.flow,), (f"chosen by the setting flow = {profile.flow}",))
    try:
        choice = app.plan()
    except KeyfobError as problem:
        _, here = find_browser(look_around())
        silent = "the issuer did not respond, so the flows that it supports are unknown"
        asked = silent if isinstance(problem, Unreachable) else "the flows that the issuer supports are unknown"
        return FlowPlan((), (here, asked), problem)
    return FlowPlan(choice.flows, choice.reasons)


def _refused(profile: Profile) -> dict[str, str]:
    capabilities = CapabilityFiles().load(profile.issuer, profile.client_id).fresh(datetime.now(UTC))
    return {flow: output.instant(when) or "" for flow, when in capabilities.refused.items()}


def _place() -> tuple[Place | None, list[str]]:
    """Return the storage place of the vault's key, and the reasons why no safer place is used.

    The place is None if none was chosen yet.
    """
    seals = Seals()
    place = seals.note().place
    policy = os.environ.get(POLICY_VARIABLE)
    why = [] if not policy else [f"{POLICY_VARIABLE} says {policy}"]
    for better in PLACES[: PLACES.index(place)] if place else PLACES[:-1]:
        code, text = seals.check(better)
        why.append(f"{better}: {text}" + (f" ({code})" if code else ""))
    return place, why


def _print_settings(settings: dict[str, Setting]) -> None:
    rows = [(name, setting.value, _source(setting)) for name, setting in settings.items()]
    output.result("Settings")
    for line in output.columns(rows):
        output.result(f"  {line}")


def _source(setting: Setting) -> str:
    return f"{_FROM[setting.kind]}: {setting.where}" if setting.where else _FROM[setting.kind]


def _print_plan(plan: FlowPlan) -> None:
    output.result(
        f"Next login: {', then '.join(plan.flows)}" if plan.flows else "Next login: no flow is known to work here"
    )
    for reason in plan.reasons:
        output.result(f"  {reason}")
    if plan.problem is not None:
        output.remark(plan.problem.message)
        if plan.problem.hint_with_flags:
            output.detail(plan.problem.hint_with_flags)
