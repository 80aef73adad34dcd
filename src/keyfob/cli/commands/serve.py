"""`keyfob serve`: run an authorization server on this machine, with ready settings or with a tenant.toml."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_master_key_flag, port, port_and_host, workers
from keyfob.cli.tenant.folder import add_database_flag


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="TENANT.toml",
        help="apply this tenant.toml first (default: the settings that were applied before)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument(
        "--workers",
        type=workers,
        default=1,
        metavar="N",
        help="processes that share the port, or `cores` for one per core (default: 1)",
    )
    parser.add_argument(
        "--tls", action="store_true", help="serve https, with certificates that are generated for this computer"
    )
    parser.add_argument(
        "--mtls-port",
        type=port,
        metavar="PORT",
        help=("with --tls: another port, which accepts client certificates (RFC 8705); 0 for any free one"),
    )
    parser.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="with --mtls-port: authorities, in PEM, that issue client certificates",
    )
    parser.add_argument(
        "--metrics-port",
        type=port_and_host,
        metavar="[HOST:]PORT",
        help="serve Prometheus metrics on a separate port (default host: 127.0.0.1)",
    )
    parser.add_argument(
        "--dev",
        action="store_true",
        help=("for development only: write e-mails to files in the data folder's outbox, and allow unsafe settings"),
    )
    parser.add_argument(
        "--smtp", metavar="URL", help="mail server: smtp://USER@HOST:587 (STARTTLS), or smtps://USER@HOST:465"
    )
    parser.add_argument(
        "--smtp-password",
        type=Path,
        metavar="FILE",
        help="a file with the mail server's password (default: the variable KEYFOB_SMTP_PASSWORD)",
    )
    parser.add_argument(
        "--mail-from",
        metavar="ADDRESS",
        help="sender of e-mails, such as 'Example <no-reply@example.com>' (default: USER)",
    )
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    add_master_key_flag(parser)
    add_database_flag(parser)
    parser.add_argument(
        "--audit",
        default="",
        metavar="FILE|-|table|off",
        help=(
            "the audit log: FILE, table, - for standard output, or off (default: audit.jsonl in the "
            "data folder; table with PostgreSQL)"
        ),
    )
    parser.add_argument(
        "--wire",
        choices=("auth0", "rfc"),
        help="the dialect of statuses and error texts (default: that of the settings, or auth0)",
    )


def run(flags: Namespace) -> int:
    from keyfob.cli.serving import serve  # noqa: PLC0415  needs the extra serve; --help and completion do not

    serve(flags)
    return DONE
