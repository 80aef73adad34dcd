"""`keyfob demo`: an authorization server, an API and one login for each flow, on this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from keyfob.cli.exit_codes import DONE


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--unattended", action="store_true", help="a scripted person goes through the real pages")


def run(flags: Namespace) -> int:
    from keyfob.cli.walkthrough import run_demo  # noqa: PLC0415  needs the extra serve; --help and completion do not

    run_demo(unattended=flags.unattended)
    return DONE
