"""`keyfob serve`: a tenant on this machine, ready at once."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import Misuse

if TYPE_CHECKING:
    from keyfob.serve import Tenant, TlsFiles


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument("--tls", action="store_true", help="https, with certificates that are made for this machine")
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    parser.add_argument("--wire", choices=("auth0", "rfc"), default="auth0", help="whose statuses and texts")


def run(args: argparse.Namespace) -> int:
    """Listen, say what a newcomer needs, serve until told to stop.

    Raises:
        Misuse: `--tls` with a host that the certificates are not for.
    """
    from keyfob.serve import TLS_HOSTS, Tenant, bind, default_folder, ready_config, tls_files, url_of
    from keyfob.serve import run as serve

    if args.tls and args.host not in TLS_HOSTS:
        hint = "For others, serve on 127.0.0.1 behind a proxy that has a certificate."
        raise Misuse(f"--tls is for {', '.join(TLS_HOSTS)} only", hint=hint)
    folder = args.data or default_folder()
    listener = bind(args.host, args.port)
    try:
        tls = tls_files(folder) if args.tls else None
        # The certificate has that name too; over plain http the address is what it always was.
        issuer = url_of(listener, is_tls=args.tls, name=args.host if args.tls else "")
        tenant = Tenant.open(folder, ready_config(issuer, args.wire), with_first_user=True)
    except BaseException:
        listener.close()
        raise
    sys.stdout.write(introduction(tenant, folder, tls))
    sys.stdout.flush()
    serve(tenant, listener, tls)
    return 0


def introduction(tenant: Tenant, folder: Path, tls: TlsFiles | None = None) -> str:
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
{trust(tls) if tls else ""}
Log in from another terminal:

  keyfob login --issuer {issuer} --client-id {READY_CLIENT_ID} --audience {READY_AUDIENCE} --scope read:orders

or by hand:

  curl -d client_id={READY_CLIENT_ID} -d 'scope=openid offline_access read:orders' {issuer}oauth/device/code

Ctrl-C stops it; keys and data stay.
"""


def trust(tls: TlsFiles) -> str:
    """What makes programs trust the tenant's certificate."""
    file = shlex.quote(str(tls.authority.absolute()))
    return f"""
The certificate is this machine's own. Programs trust it with these lines:

  export SSL_CERT_FILE={file}        # keyfob, httpx, Go
  export REQUESTS_CA_BUNDLE={file}   # requests
  export CURL_CA_BUNDLE={file}       # curl
  export NODE_EXTRA_CA_CERTS={file}  # Node

SSL_CERT_FILE and the next two replace the public roots: in that shell, other sites are not trusted.
"""
