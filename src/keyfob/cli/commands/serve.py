"""`keyfob serve`: a tenant on this machine, ready at once, or as its file says."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, SIGNALLED
from keyfob.errors import Misuse

if TYPE_CHECKING:
    from keyfob.serve import ForCertificates, Tenant, TenantConfig, TlsFiles


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="TENANT.toml", help="apply this first; else what was applied before"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument("--tls", action="store_true", help="https, with certificates that are made for this machine")
    parser.add_argument("--mtls-port", type=int, metavar="PORT", help="with --tls: another port, where programs are "
                        "asked for their certificates (RFC 8705); 0 for any free one")  # fmt: skip
    parser.add_argument("--client-ca", type=Path, metavar="FILE", help="with --mtls-port: authorities, in PEM, whose "
                        "certificates prove a program by its name")  # fmt: skip
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    parser.add_argument(
        "--wire", choices=("auth0", "rfc"), help="whose statuses and texts (default: as registered, or auth0)"
    )


def run(args: argparse.Namespace) -> int:
    """Listen, say what a newcomer needs, serve until told to stop.

    Raises:
        Misuse: `--tls` with a host that the certificates are not for, flags that do not go together, or the file has
            mistakes.
        SystemExit: Told to end otherwise than by SIGINT or SIGTERM.
    """
    from keyfob.serve import Certified, Tenant, bind, default_folder, ready_config, tls_files, url_of
    from keyfob.serve import run as serve

    _check(args)
    folder = args.data or default_folder()
    with ExitStack() as undo:
        listener = bind(args.host, args.port)
        undo.callback(listener.close)
        second = None if args.mtls_port is None else bind(args.host, args.mtls_port)
        if second is not None:
            undo.callback(second.close)
        tls = tls_files(folder) if args.tls else None
        # The certificate has that name too; over plain http the address is what it always was.
        name = args.host if args.tls else ""
        issuer = url_of(listener, is_tls=args.tls, name=name)
        if args.file is not None:
            _apply(args.file, folder, issuer)
        place = None if second is None else _place(url_of(second, is_tls=True, name=name), args.client_ca)
        tenant = Tenant.follow(folder, ready_config(issuer), wire=args.wire, for_certificates=place)
        undo.pop_all()
    certified = None if second is None else Certified(second, args.client_ca, tenant.certificates)
    names = tenant.config.password_users()
    if names:
        output.remark(f"these applications may use the password grants, and see people's passwords: {', '.join(names)}")
    unasked = _unasked(tenant.config) if second is None else ""
    if unasked:
        output.remark(f"these applications have a certificate, and none is asked for without --mtls-port: {unasked}")
    sys.stdout.write(introduction(tenant, folder, tls))
    sys.stdout.flush()
    try:
        serve(tenant, listener, tls, certified)
    except SystemExit as ended:  # it has stopped in order, and what told it to is raised once more
        if ended.code != SIGNALLED + signal.SIGTERM:
            raise
    return DONE


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not go together.

    Raises:
        Misuse: They do not.
    """
    from keyfob.serve import TLS_HOSTS

    if args.mtls_port is not None and not args.tls:
        raise Misuse("certificates are shown over TLS alone", hint="Add --tls.")
    if args.client_ca is not None and args.mtls_port is None:
        raise Misuse("certificates are shown at a port of their own", hint="Add --mtls-port PORT.")
    if args.tls and args.host not in TLS_HOSTS:
        hint = "For others, serve on 127.0.0.1 behind a proxy that has a certificate."
        raise Misuse(f"--tls is for {', '.join(TLS_HOSTS)} only", hint=hint)


def _unasked(config: TenantConfig) -> str:
    known = (one for one in config.applications if one.certificate_name is not None or one.certificates)
    return ", ".join(one.client_id for one in known)


def _place(address: str, authorities: Path | None) -> ForCertificates:
    from keyfob.serve import ForCertificates, read_authorities

    return ForCertificates(address, () if authorities is None else read_authorities(authorities))


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


def introduction(tenant: Tenant, folder: Path, tls: TlsFiles | None = None) -> str:
    """Everything for a first token, ready to be pasted."""
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    config = tenant.config
    program, api = config.application(READY_CLIENT_ID), config.api(READY_AUDIENCE)
    is_ready = program is not None and api is not None and {"read:orders", "write:orders"} <= set(api.scopes)
    return f"""\
keyfob tenant, wire {config.wire}, data in {folder}

  issuer     {config.issuer}
{_for_certificates(config.for_certificates)}{_ready(tenant) if is_ready else _listed(tenant)}\
{trust(tls) if tls else ""}\
{_first_login(config.issuer) if is_ready else ""}
Ctrl-C stops it; keys and data stay.
"""


def _for_certificates(place: ForCertificates | None) -> str:
    """The address that programs with certificates find by the tenant's metadata."""
    return "" if place is None else f"  mtls       {place.address}   (programs with certificates)\n"


def _ready(tenant: Tenant) -> str:
    """What a ready tenant has."""
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    user = tenant.first_user
    person = (
        f"  person     {user.email}\n  password   {user.password.reveal()}   (shown this once)"
        if user
        else "  person     person@example.com, with the password shown at the first start"
    )
    return f"""\
  client id  {READY_CLIENT_ID}
  audience   {READY_AUDIENCE}   (scopes read:orders, write:orders)
{person}
"""


def _first_login(issuer: str) -> str:
    """The first token from a ready tenant."""
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID

    return f"""
Log in from another terminal:

  keyfob login --issuer {issuer} --client-id {READY_CLIENT_ID} --audience {READY_AUDIENCE} --scope read:orders

or by hand:

  curl -d client_id={READY_CLIENT_ID} -d 'scope=openid offline_access read:orders' {issuer}oauth/device/code
"""


def _listed(tenant: Tenant) -> str:
    """What is registered, and where people come from."""
    config = tenant.config
    programs = "".join(f"  client id  {one.client_id}   ({one.kind}, {one.name})\n" for one in config.applications)
    apis = "".join(f"  audience   {one.audience}   (scopes {', '.join(one.scopes)})\n" for one in config.apis)
    return f"{programs}{apis}\nPeople come from the file, or from: keyfob tenant users add EMAIL\n"


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
