"""`keyfob serve`: a tenant on this machine, ready at once, or as its file says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.cli import output

if TYPE_CHECKING:
    from keyfob.serve import Tenant


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="TENANT.toml", help="apply this first; else what was applied before"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    parser.add_argument(
        "--wire", choices=("auth0", "rfc"), help="whose statuses and texts (default: as registered, or auth0)"
    )


def run(args: argparse.Namespace) -> int:
    """Listen, say what a newcomer needs, serve until told to stop.

    Raises:
        Misuse: The port is taken, the folder cannot be used, or the file has mistakes.
    """
    from keyfob.serve import Tenant, bind, default_folder, ready_config, url_of
    from keyfob.serve import run as serve

    folder = args.data or default_folder()
    listener = bind(args.host, args.port)
    try:
        if args.file is not None:
            _apply(args.file, folder, url_of(listener))
        tenant = Tenant.follow(folder, ready_config(url_of(listener)), wire=args.wire)
    except BaseException:
        listener.close()
        raise
    names = tenant.config.password_users()
    if names:
        output.remark(f"these applications may use the password grants, and see people's passwords: {', '.join(names)}")
    sys.stdout.write(introduction(tenant, folder))
    sys.stdout.flush()
    serve(tenant, listener)
    return 0


def _apply(file: Path, folder: Path, issuer: str) -> None:
    """What the file says is the tenant from now on; what changes is said, and nothing is asked.

    Raises:
        Misuse: The file has mistakes, or the folder cannot be used.
    """
    from keyfob.cli.tenant.folder import lines_of, load
    from keyfob.serve import Registry

    found = load(file, issuer)
    with Registry.open(folder, creates=True) as registry:
        plan = registry.plan_file(found)
        for line in lines_of(plan):
            output.remark(line)
        registry.carry_out(plan)


def introduction(tenant: Tenant, folder: Path) -> str:
    """Everything for a first token, ready to be pasted."""
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    config = tenant.config
    program, api = config.application(READY_CLIENT_ID), config.api(READY_AUDIENCE)
    head = f"keyfob tenant, wire {config.wire}, data in {folder}\n\n  issuer     {config.issuer}\n"
    tail = "\nCtrl-C stops it; keys and data stay.\n"
    if program is None or api is None or not {"read:orders", "write:orders"} <= set(api.scopes):
        return head + _listed(tenant) + tail
    issuer, user = config.issuer, tenant.first_user
    person = (
        f"  person     {user.email}\n  password   {user.password.reveal()}   (shown this once)"
        if user
        else "  person     person@example.com, with the password shown at the first start"
    )
    return f"""\
{head}\
  client id  {READY_CLIENT_ID}
  audience   {READY_AUDIENCE}   (scopes read:orders, write:orders)
{person}

Log in from another terminal:

  keyfob login --issuer {issuer} --client-id {READY_CLIENT_ID} --audience {READY_AUDIENCE} --scope read:orders

or by hand:

  curl -d client_id={READY_CLIENT_ID} -d 'scope=openid offline_access read:orders' {issuer}oauth/device/code
{tail}"""


def _listed(tenant: Tenant) -> str:
    """What is registered, and where people come from."""
    config = tenant.config
    programs = "".join(f"  client id  {one.client_id}   ({one.kind}, {one.name})\n" for one in config.applications)
    apis = "".join(f"  audience   {one.audience}   (scopes {', '.join(one.scopes)})\n" for one in config.apis)
    return f"{programs}{apis}\nPeople come from the file, or from: keyfob tenant users add EMAIL\n"
