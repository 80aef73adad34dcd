"""`keyfob demo`: a tenant, an API and a program for each way to log in, on this machine, in plain words."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyfob.cli.walk import Programs
    from keyfob.protocol.secret import Secret
    from keyfob.serve import TenantConfig

# The pages, the waiting and the polling are the real ones; only the pace is quicker, so that nobody waits for a demo.
PACE = timedelta(seconds=1)
NIGHTLY, LEGACY = "nightly-batch", "old-program"


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument("--unattended", action="store_true", help="a scripted person goes through the real pages")


def run(args: argparse.Namespace) -> int:
    """Start tenant and API, walk through the logins, stop both; 0 only if every call came back as it should."""
    from keyfob.cli.walk import Walk
    from keyfob.guard import Guard
    from keyfob.serve import READY_AUDIENCE, Running, Tenant, bind, new_client_secret, url_of
    from keyfob.testing.orders import api

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyfob-demo-")))
        listener = bind("127.0.0.1", 0)
        secret, file = new_client_secret(), folder / "nightly.secret"
        file.touch(mode=0o600)
        file.write_text(secret.reveal(), encoding="utf-8")
        config = _with_programs(url_of(listener), secret)
        tenant = stack.enter_context(closing(Tenant.open(folder / "tenant", config, with_first_user=True)))
        issuer = Running(tenant.app, listener)
        stack.callback(issuer.stop)
        guard = Guard(issuer=issuer.url, audience=READY_AUDIENCE)
        orders = Running(api(guard), bind("127.0.0.1", 0))
        stack.callback(orders.stop)
        assert tenant.first_user is not None, "the folder is new, so the person is"  # noqa: S101
        programs = _programs(issuer.url, folder, file)
        Walk(programs, guard, f"{orders.url}orders", tenant.first_user, unattended=args.unattended).through()
    return 0


def _with_programs(issuer: str, secret: Secret) -> TenantConfig:
    """The ready tenant, with a program that logs in as itself and one that still takes passwords."""
    from keyfob.protocol.grants import CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN
    from keyfob.serve import READY_AUDIENCE, ApiGrant, Application, Connection, ready_config

    ready = ready_config(issuer)
    nightly = Application(
        NIGHTLY, "Nightly batch", "machine", (CLIENT_CREDENTIALS,), ("client_secret_post",), (secret,)
    )
    legacy = Application(LEGACY, "Old program", grants=(PASSWORD, REFRESH_TOKEN))
    return replace(
        ready,
        device_interval=PACE,
        applications=(*ready.applications, nightly, legacy),
        grants=(ApiGrant(NIGHTLY, READY_AUDIENCE, ("read:orders",)),),
        connections=(replace(one := Connection(), allows_password=True),),
        default_directory=one.name,
        allows_password=True,
    )


def _programs(issuer: str, folder: Path, secret: Path) -> Programs:
    """One for each way; each login is kept under a name of its own."""
    from keyfob.cli.walk import Programs
    from keyfob.login import App, Source
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    def app(name: str, client_id: str, **more: Any) -> App:  # noqa: ANN401  whatever an App may be told
        home = folder / "programs"
        return App(issuer=issuer, client_id=client_id, audience=READY_AUDIENCE, scopes=["read:orders"], profile=name,
                   home=home, **more)  # fmt: skip

    return Programs(
        by_code=app("by-code", READY_CLIENT_ID, flow="device"),
        as_itself=app("as-itself", NIGHTLY, is_machine=True, credential=Source("secret", "file", str(secret))),
        by_password=app("by-password", LEGACY, flow="password", allows_password=True),
        by_browser=app("by-browser", READY_CLIENT_ID, flow="browser"),
        by_pasting=app("by-browser", READY_CLIENT_ID, flow="paste"),
    )
