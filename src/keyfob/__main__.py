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
    if code < 0 and sys.argv[1:2] == ["helper"]:
        from keyfob.cli.tools import quick_reply  # noqa: PLC0415  only tools call it

        code = quick_reply.main(sys.argv[1:])
    if code >= 0:
        return code
    from keyfob.cli.main import main as run_command  # noqa: PLC0415  a cached token is printed 100 times faster without it

    return run_command()


def docker() -> int:
    """Run the helper for docker, which docker starts as `docker-credential-keyfob` with one argument."""
    sys.argv[1:1] = ["helper", "docker"]
    return main()


if __name__ == "__main__":
    sys.exit(main())
