"""`keyfob serve`: an authorization server on this machine, ready at once or configured by a file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_master_key_flag, port


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="TENANT.toml", help="apply this first; else what was applied before"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=8790, help="port to listen on; 0 for any free one (default: 8790)")
    parser.add_argument("--tls", action="store_true", help="https, with certificates that are made for this machine")
    parser.add_argument("--mtls-port", type=port, metavar="PORT", help="with --tls: another port, where programs are "
                        "asked for their certificates (RFC 8705); 0 for any free one")  # fmt: skip
    parser.add_argument("--client-ca", type=Path, metavar="FILE", help="with --mtls-port: authorities, in PEM, whose "
                        "certificates prove a program by its name")  # fmt: skip
    parser.add_argument("--data", type=Path, help="folder for keys and data (default: the platform's)")
    parser.add_argument("--dev", action="store_true", help="for development, never for people's logins: "
                        "a new master key is a file in the data folder")  # fmt: skip
    add_master_key_flag(parser)
    parser.add_argument("--audit", default="", metavar="FILE|-|off", help="where each login and refusal is noted, as "
                        "lines of JSON (default: audit.jsonl in the data folder; - is standard output)")  # fmt: skip
    parser.add_argument(
        "--wire", choices=("auth0", "rfc"), help="whose statuses and texts (default: as registered, or auth0)"
    )


def run(flags: Namespace) -> int:
    from keyfob.cli.serving import serve  # noqa: PLC0415  needs the extra serve; --help and completion do not

    serve(flags)
    return DONE
