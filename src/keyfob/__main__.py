"""The command `keyfob`, and `python -m keyfob`: try the token cache first, then load the other commands."""

import sys

from keyfob.io import quick


def main() -> int:
    """Run the command and return its exit code."""
    if sys.argv[1:] == ["prompt"]:
        from keyfob.io import prompt_line  # noqa: PLC0415  only a shell's prompt needs it

        code = prompt_line.main()
    else:
        code = quick.main()
    if code >= 0:
        return code
    from keyfob.cli.main import main as run_command  # noqa: PLC0415  a cached token is printed 100 times faster without it

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
