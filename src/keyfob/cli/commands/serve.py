"""`keyfob serve`: a tenant on this machine, ready at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.serve import Tenant


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    parser.add_argument("--wire", choices=("auth0", "rfc"), default="auth0", help="whose statuses and texts")


def run(args: argparse.Namespace) -> int:
    """Listen, say what a newcomer needs, serve until told to stop."""
    from keyfob.serve import Tenant, bind, default_folder, ready_config, url_of
    from keyfob.serve import run as serve

    folder = args.data or default_folder()
    listener = bind(args.host, args.port)
    try:
        tenant = Tenant.open(folder, ready_config(url_of(listener), args.wire), with_first_user=True)
    except BaseException:
        listener.close()
        raise
    sys.stdout.write(introduction(tenant, folder))
    sys.stdout.flush()
    serve(tenant, listener)
    return 0


def introduction(tenant: Tenant, folder: Path) -> str:
    """Everything for a first token, ready to be pasted."""
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    issuer, user = tenant.config.issuer, tenant.first_user
    person = (
        f"  person     {user.email}\n  password   {user.password.reveal()}   (shown this once)"
        if user
        else "  person     person@example.com, with the password shown at the first start"
    )
    return f"""\
keyfob tenant, wire {tenant.config.wire}, data in {folder}

  issuer     {issuer}
  client id  {READY_CLIENT_ID}
  audience   {READY_AUDIENCE}   (scopes read:orders, write:orders)
{person}

Log in from another terminal:

  keyfob login --issuer {issuer} --client-id {READY_CLIENT_ID} --audience {READY_AUDIENCE} --scope read:orders

or by hand:

  curl -d client_id={READY_CLIENT_ID} -d 'scope=openid offline_access read:orders' {issuer}oauth/device/code

Ctrl-C stops it; keys and data stay.
"""
