"""The command `keyfob`, and `python -m keyfob`: a token that is at hand first, everything else after that."""

import sys

from keyfob.io import quick


def main() -> int:
    """Run the command; gives the exit code. Only what `io/quick.py` cannot answer loads the rest."""
    code = quick.main()
    if code >= 0:
        return code
    from keyfob.cli.main import main as everything  # noqa: PLC0415  it costs more than a hundred times as much

    return everything()


if __name__ == "__main__":
    sys.exit(main())
