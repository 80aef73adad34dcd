"""`keyfob demo`: run an authorization server and an API on this machine, and log in with each flow."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from keyfob.cli.exit_codes import DONE


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--unattended", action="store_true", help="a script logs in on the real pages")
    parser.add_argument(
        "--phishing", action="store_true", help="phish a device login, and show which rules prevent that"
    )


def run(flags: Namespace) -> int:
    if flags.phishing:
        from keyfob.cli.phishing import run_lab  # noqa: PLC0415  needs the extra serve, as below

        run_lab()
        return DONE
    from keyfob.cli.walkthrough import run_demo  # noqa: PLC0415  needs the extra serve; --help and completion do not

    run_demo(unattended=flags.unattended)
    return DONE
