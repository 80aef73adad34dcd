"""Start a tenant for `keyfob serve`, and print the settings for a first login."""

from __future__ import annotations

import shlex
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED, SIGNALLED
from keyfob.cli.mailing import NONE_SET_UP, mailer_of
from keyfob.cli.tenant.folder import ask, database_of, lines_of, load
from keyfob.cli.unsafe import is_this_machine, refuse_readable_folder, refuse_unsafe
from keyfob.errors import KeyfobError, Misuse
from keyfob.jose.certificates import TLS_HOSTS
from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE
from keyfob.serve import Registry, Tenant, TenantConfig, bind, default_folder, ready_config, tls_files, url_of
from keyfob.serve import run as run_until_signal
from keyfob.server.io.audit import place_of
from keyfob.server.io.certificates import TlsFiles, read_authorities
from keyfob.server.io.database_url import shown
from keyfob.server.io.master_key import MasterKey, default_source, find_master_key
from keyfob.server.io.running import Certified
from keyfob.server.io.workers import refuse_elsewhere, supervise
from keyfob.server.ports import Mailer
from keyfob.server.settings.config import ForCertificates
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID, READY_EMAIL


def serve(flags: Namespace) -> None:
    """Listen, print the settings for a first login, and serve until a signal.

    Raises:
        Misuse: The flags contradict each other, or the file has mistakes.
        SystemExit: A signal other than SIGINT and SIGTERM ended the server.
    """
    _check(flags)
    folder, database = flags.data or default_folder(), database_of(flags)
    with ExitStack() as opened:
        node = _bind(flags, folder, database, opened)
        try:
            _serve(node, opened)
        # The signal came before the server handled signals itself.
        except KeyboardInterrupt:
            pass
        except SystemExit as ended:
            if ended.code != SIGNALLED + signal.SIGTERM:
                raise


@dataclass(frozen=True, slots=True)
class _Node:
    """The parameters of `keyfob serve`. Its processes share the open sockets, but no other open resource.

    Attributes:
        listener: The socket for requests.
        second: The socket that accepts client certificates, or None.
        mail: The description of the mailer, for the text that is printed at the start.
        metrics: The host and port of the metrics of each process; () for no metrics.
    """

    flags: Namespace
    folder: Path
    database: str
    issuer: str
    listener: socket.socket
    second: socket.socket | None
    mtls: ForCertificates | None
    tls: TlsFiles | None
    mailer: Mailer | None
    mail: str
    master: MasterKey
    metrics: tuple[tuple[str, int], ...]

    def open(self) -> Tenant:
        """Open the tenant with the present master key. The key may have changed since the command started."""
        master = find_master_key(self.folder, self.flags.master_key, is_dev=self.flags.dev)
        return Tenant.follow(
            self.folder,
            ready_config(self.issuer),
            wire=self.flags.wire,
            for_certificates=self.mtls,
            audit=place_of(self.flags.audit, self.folder, self.database),
            mailer=self.mailer,
            database=self.database,
            master=master.key,
        )

    def introduce(self, tenant: Tenant, metrics: str) -> None:
        """Print remarks on the tenant's settings, and the settings that a first login needs."""
        for remark in remarks(tenant.config, has_tls=self.tls is not None, has_mtls_port=self.second is not None):
            output.remark(remark)
        if self.master.is_beside and not self.flags.dev:
            output.remark(_beside(self.master, self.folder))
        sys.stdout.write(_introduction(tenant, self.folder, self.database, self.tls, self.mail, metrics))
        sys.stdout.flush()

    def run(self, tenant: Tenant) -> None:
        """Serve until a signal arrives, then close the tenant."""
        second, flags = self.second, self.flags
        certified = None if second is None else Certified(second, flags.client_ca, tenant.certificates)
        run_until_signal(tenant, self.listener, self.tls, certified)

    def work(self, number: int) -> int:
        """Serve as one of several processes. Return the exit code."""
        try:
            with ExitStack() as opened, ExitStack() as undo:
                tenant = self.open()
                undo.callback(tenant.close)
                _serve_metrics(tenant, self.metrics[number : number + 1], opened)
                undo.pop_all()
                self.run(tenant)
        except KeyfobError as problem:
            return output.failure(problem, as_json=False)
        except Exception as problem:  # noqa: BLE001  as in main.py
            output.unexpected(problem)
            return FAILED
        return DONE


def _bind(flags: Namespace, folder: Path, database: str, opened: ExitStack) -> _Node:
    """Bind the sockets, check the tenant's folder, and apply the tenant.toml, if one is given."""
    listener = opened.enter_context(closing(bind(flags.host, flags.port)))
    second = None if flags.mtls_port is None else opened.enter_context(closing(bind(flags.host, flags.mtls_port)))
    if not flags.dev:
        refuse_readable_folder(folder)
    # This call also checks the folder, before anything else is written there.
    master = find_master_key(folder, flags.master_key, is_dev=flags.dev)
    mailer, mail = mailer_of(flags, folder)
    tls = tls_files(folder) if flags.tls else None
    # With TLS, the issuer has the typed host name, which the certificate contains. Over plain http, the issuer has the
    # IP address of the socket. If other machines can connect, it has 127.0.0.1, and the settings must name an issuer.
    name = flags.host if flags.tls else "" if is_this_machine(flags.host) else "127.0.0.1"
    issuer = url_of(listener, is_tls=flags.tls, name=name)
    if flags.file is not None:
        _apply(flags.file, folder, issuer, database, flags.master_key, is_dev=flags.dev)
    mtls = None if second is None else _mtls_settings(url_of(second, is_tls=True, name=name), flags.client_ca)
    places = _metrics_places(flags.metrics_port, flags.workers)
    return _Node(flags, folder, database, issuer, listener, second, mtls, tls, mailer, mail, master, places)


def _serve(node: _Node, opened: ExitStack) -> None:
    with ExitStack() as undo:
        tenant = node.open()
        undo.callback(tenant.close)
        if not node.flags.dev:
            refuse_unsafe(tenant, node.flags.host)
        if node.flags.workers > 1:
            node.introduce(tenant, ", ".join(f"http://{host}:{port}/metrics" for host, port in node.metrics))
        else:
            node.introduce(tenant, _serve_metrics(tenant, node.metrics, opened))
            undo.pop_all()
            node.run(tenant)
            return
    # Now no database connection and no thread exists, which several processes could not share.
    supervise(node.flags.workers, node.work, [one for one in (node.listener, node.second) if one is not None])


def _check(flags: Namespace) -> None:
    if flags.mtls_port is not None and not flags.tls:
        raise Misuse("client certificates need TLS", hint="Add --tls.")
    if flags.client_ca is not None and flags.mtls_port is None:
        raise Misuse("client certificates need a separate port", hint="Add --mtls-port PORT.")
    if flags.workers > 1:
        refuse_elsewhere()
    if flags.tls and flags.host not in TLS_HOSTS:
        hint = "For other hosts, serve on 127.0.0.1 behind a proxy that has a certificate."
        raise Misuse(f"--tls works for {', '.join(TLS_HOSTS)} only", hint=hint)


def remarks(config: TenantConfig, *, has_tls: bool, has_mtls_port: bool) -> Iterator[str]:
    """Yield remarks for the operator on settings that reduce security or have no effect."""
    names = config.password_users()
    if names:
        yield f"these applications may use the password grants, so they see users' passwords: {', '.join(names)}"
    if config.has_short_passwords:
        yield f'new passwords can have {config.password_length} characters; NIST requires 15 unless mfa = "always"'
    ignored = "" if has_mtls_port else _clients_without_port(config)
    if ignored:
        yield f"these applications have a certificate, which is not used without --mtls-port: {ignored}"
    if config.is_https and not has_tls and not config.trusted_proxies:
        yield (
            "the issuer is https but this port is not, so there must be a proxy, but "
            "trusted_proxies is empty: all users share the limits for one address, and pages cannot "
            "show where a login was requested (keyfob help docs/operations.md)"
        )


def _clients_without_port(config: TenantConfig) -> str:
    shown = (one for one in config.applications if one.certificate_name is not None or one.certificates)
    return ", ".join(one.client_id for one in shown)


def _mtls_settings(address: str, authorities: Path | None) -> ForCertificates:
    return ForCertificates(address, () if authorities is None else read_authorities(authorities))


def _beside(master: MasterKey, folder: Path) -> str:
    to = "" if default_source(folder) else " --to file:PATH"
    return (
        f"the master key is beside the database, in {master.where}: a copy of the folder reveals "
        f"every secret. Move the key: keyfob tenant keys rewrap{to} --data "
        f"{shlex.quote(str(folder))}"
    )


def _apply(
    file: Path, folder: Path, issuer: str, database: str = "", master_key: str | None = None, *, is_dev: bool = False
) -> None:
    """Apply the file to the tenant, and print the changes. If there is a terminal, ask before anything is removed.

    Raises:
        Misuse: The file has mistakes, the folder cannot be used, or the operator answered no.
    """
    found = load(file, issuer)
    with Registry.open(folder, creates=True, database=database, master_key=master_key, is_dev=is_dev) as registry:
        plan = registry.plan_file(found)
        for line in lines_of(plan):
            output.remark(line)
        if plan.removes and output.has_user():
            ask(f"{file} does not contain the lines with a minus. Remove them from the tenant?", yes=False)
        elif plan.removes:
            output.remark(f"the lines with a minus are not in {file}, and were removed")
        registry.carry_out(plan)


def _metrics_places(place: tuple[str, int] | None, workers: int) -> tuple[tuple[str, int], ...]:
    """Return the host and port of the metrics of each process; () if `place` is None.

    The ports are consecutive. If the port in `place` is 0, each process gets a free port.

    Raises:
        Misuse: A port is in use, or the address does not belong to this machine.
    """
    if place is None:
        return ()
    host, port = place
    if workers == 1:
        return (place,)
    with ExitStack() as bound:
        ports = [bound.enter_context(closing(bind(host, port + at if port else 0))) for at in range(workers)]
        return tuple((host, int(one.getsockname()[1])) for one in ports)


def _serve_metrics(tenant: Tenant, places: Sequence[tuple[str, int]], opened: ExitStack) -> str:
    """If metrics are requested, serve those of this process, and return their URL. Otherwise, return ""."""
    if not places:
        return ""
    from keyfob.server.io.metrics import PrometheusMeter  # noqa: PLC0415  takes 20 ms; only metrics need it

    meter = PrometheusMeter()
    tenant.measure(meter)
    address, stop = meter.serve(*places[0])
    opened.callback(stop)
    return address


def _introduction(
    tenant: Tenant,
    folder: Path,
    database: str = "",
    tls: TlsFiles | None = None,
    mail: str = NONE_SET_UP,
    metrics: str = "",
) -> str:
    """Return the text that is printed at the start, with the settings that a first login needs."""
    config = tenant.config
    program, api = config.application(READY_CLIENT_ID), config.api(READY_AUDIENCE)
    is_ready = program is not None and api is not None and {"read:orders", "write:orders"} <= set(api.scopes)
    return f"""\
keyfob tenant, wire {config.wire}, {f"data in {shown(database)}, keys" if database else "data"} in {folder}

  issuer     {config.issuer}
{_mtls_line(config.for_certificates)}  e-mail     {mail}
{_metrics_line(metrics)}\
{_ready_lines(tenant, folder) if is_ready else _registered_lines(tenant)}\
{_trust_lines(tls) if tls else ""}\
{_first_login_lines(config.issuer) if is_ready else _login_lines(config)}
Ctrl-C stops it; keys and data stay.
"""


def _metrics_line(address: str) -> str:
    return f"  metrics    {address}\n" if address else ""


def _mtls_line(mtls: ForCertificates | None) -> str:
    return "" if mtls is None else f"  mtls       {mtls.address}   (programs with certificates)\n"


def _ready_lines(tenant: Tenant, folder: Path) -> str:
    user = tenant.first_user
    where = "" if folder == default_folder() else f" --data {shlex.quote(str(folder))}"
    person = (
        f"  person     {user.email}\n  password   {user.password.reveal()}   (shown this once)"
        if user
        else f"  person     {READY_EMAIL}, with the password shown at the first start\n"
        f"             (lost? keyfob tenant users password {READY_EMAIL} --generate{where})"
    )
    return f"""\
  client id  {READY_CLIENT_ID}
  audience   {READY_AUDIENCE}   (scopes read:orders, write:orders)
{person}
"""


def _first_login_lines(issuer: str) -> str:
    return f"""
Log in from another terminal:

  keyfob login {issuer} {READY_CLIENT_ID}

or, for the API's scope too, add --scope read:orders; or by hand:

  curl -d client_id={READY_CLIENT_ID} -d 'scope=openid offline_access read:orders' {issuer}oauth/device/code
"""


def _login_lines(config: TenantConfig) -> str:
    """Return the login command for the first client that logs users in and needs no secret; "" if there is none."""
    interactive = {DEVICE_CODE, AUTHORIZATION_CODE}
    public = (one for one in config.applications if one.auth_methods == ("none",) and interactive & set(one.grants))
    first = next(public, None)
    if first is None:
        return ""
    return f"\nLog in from another terminal:\n\n  keyfob login {config.issuer} {first.client_id}\n"


def _registered_lines(tenant: Tenant) -> str:
    config = tenant.config
    programs = "".join(f"  client id  {one.client_id}   ({one.kind}, {one.name})\n" for one in config.applications)
    apis = "".join(f"  audience   {one.audience}   (scopes {', '.join(one.scopes)})\n" for one in config.apis)
    return f"{programs}{apis}\nPeople come from the file, or from: keyfob tenant users add EMAIL\n"


def _trust_lines(tls: TlsFiles) -> str:
    file = shlex.quote(str(tls.authority.absolute()))
    return f"""
The certificate is this machine's own. Programs trust it with these lines:

  export SSL_CERT_FILE={file}        # keyfob, httpx, Go
  export REQUESTS_CA_BUNDLE={file}   # requests
  export CURL_CA_BUNDLE={file}       # curl
  export NODE_EXTRA_CA_CERTS={file}  # Node

SSL_CERT_FILE and the next two replace the public roots: in that shell, other sites are not trusted.
"""
