"""`keyfob doctor`: check the installation and print a fix for each problem. It prints no secrets and no user names."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.first_login import unknown_issuer
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.main import version
from keyfob.cli.profiles import ChosenProfile, app_of, choose, first_login, known_names, stored_app
from keyfob.client.io.detect import look_around
from keyfob.client.io.doctor import clock_ahead, look_at_files, look_at_ports, try_disk
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.callback import Callback
from keyfob.client.model.storage_choice import WORDS
from keyfob.client.session import checkup
from keyfob.client.session.checkup import Finding
from keyfob.errors import KeyfobError, LoginRequired
from keyfob.login import App

_MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument("--tenant", metavar="FOLDER", type=Path, help="also check a tenant of this computer")
    add_json_flag(parser)
    parser.epilog = "Changes nothing, and starts no login."


def run(flags: Namespace) -> int:
    found = list(_findings(flags))
    home = str(Path.home())
    for one in found:
        text, fix = checkup.shortened(one.said, home), checkup.shortened(one.fix, home)
        if flags.json:
            output.result_object({"check": one.what, "verdict": one.verdict, "said": text, "fix": fix or None})
            continue
        output.result(f"{_MARKS[one.verdict]} {one.what}: {text}")
        if fix:
            output.result(f"        {fix}")
    return FAILED if any(one.verdict == "wrong" for one in found) else DONE


def _findings(flags: Namespace) -> Iterator[Finding]:
    yield Finding("keyfob", "ok", f"keyfob {version()}, Python {platform.python_version()}, {platform.system()}")
    home = ProfileFiles().folder.parent
    readable, foreign, aside = look_at_files(home)
    yield from checkup.judge_modes(readable, foreign)
    for path in aside:
        yield Finding("files", "note", f"a damaged file was renamed: {path}", f"Remove it: rm {path}")
    folder, problem = try_disk(home)
    yield checkup.judge_disk(str(folder), problem)
    yield from _check_vault()
    yield from _check_logins()
    here = look_around()
    yield checkup.judge_terminal(here)
    yield checkup.judge_browser(here)
    yield checkup.judge_proxies(os.environ)
    yield from _check_authorities()
    try:
        chosen = choose(flags)
    except KeyfobError as problem:
        yield Finding.of("settings", problem)
        chosen = None
    if chosen is not None:
        yield from _check_settings(chosen)
    if flags.tenant is not None:
        from keyfob.cli.tenant.checks import judge_tenant  # noqa: PLC0415  needs the extra serve

        yield from judge_tenant(flags.tenant)


def _check_vault() -> Iterator[Finding]:
    seals = Seals()
    try:
        note = seals.note()
    except KeyfobError as problem:
        yield Finding.of("vault", problem)
        return
    if note.place is None:
        yield Finding("vault", "ok", "the place for tokens is not chosen yet; the next login chooses it")
        return
    code, said = seals.check(note.place)
    if code is not None:
        yield Finding("vault", "wrong", f"tokens are stored {WORDS[note.place]}, but: {said}",
                      f"Fix that (keyfob help {code}), or store them elsewhere: keyfob vault move file")  # fmt: skip
    elif note.place == "file" and not os.environ.get("KEYFOB_STORE"):
        yield Finding(
            "vault",
            "note",
            f"tokens are stored {WORDS['file']}",
            "See which safer places work here: keyfob vault status",
        )
    else:
        yield Finding("vault", "ok", f"tokens are stored {WORDS[note.place]}")


def _check_logins() -> Iterator[Finding]:
    for name in known_names():
        try:
            app = stored_app(name)
            if app is not None:
                app.session().stored()
        except LoginRequired:
            continue
        except KeyfobError as problem:
            yield Finding.of(f"login {name}", problem)
        else:
            yield Finding(f"login {name}", "ok", "it can be read")


def _check_authorities() -> Iterator[Finding]:
    for name in checkup.TRUST:
        path = os.environ.get(name)
        if path and not Path(path).exists():
            yield Finding(
                "authorities", "wrong", f"{name} names a path that does not exist: {path}", f"Run: unset {name}"
            )
        elif path:
            yield Finding("authorities", "note", f"{name}={path} replaces the system's certificate authorities")


def _check_settings(chosen: ChosenProfile) -> Iterator[Finding]:
    if chosen.profile is None:
        yield Finding("settings", "note", "no issuer or client ID is configured", first_login(chosen.name))
        callbacks: tuple[Callback, ...] = ()
    else:
        files = f", with {', '.join(map(str, chosen.files))}" if chosen.files else ""
        yield Finding("settings", "ok", f"profile {chosen.name} at {chosen.profile.issuer}{files}")
        callbacks = tuple(map(Callback.read, chosen.profile.callbacks))
    taken, any_free = look_at_ports(callbacks)
    yield checkup.judge_ports(taken, any_free=any_free)
    if chosen.profile is not None and unknown_issuer(chosen) is not None:
        yield Finding(
            "issuer", "note", "only the project's file names it, so keyfob sends nothing there without your consent"
        )
    elif chosen.profile is not None:
        yield from _check_issuer(app_of(chosen.profile))


def _check_issuer(app: App) -> Iterator[Finding]:
    if app.profile.ca is not None:
        yield Finding(
            "authorities", "ok", f"{app.profile.ca} is trusted in addition to the system's certificate authorities"
        )
    try:
        offered = app.metadata()
    except KeyfobError as problem:
        yield Finding.of("issuer", problem)
        return
    flows = [name for name, has in (("by browser", offered.authorization_endpoint),
                                   ("by code", offered.device_authorization_endpoint)) if has]  # fmt: skip
    yield Finding(
        "issuer", "ok", f"it responds, and offers logins {' and '.join(flows) or 'for service accounts only'}"
    )
    try:
        yield checkup.judge_clock(clock_ahead(app.profile))
    except KeyfobError as problem:
        yield Finding.of("clock", problem)
