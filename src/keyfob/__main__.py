"""`python -m keyfob` is `keyfob`."""

from __future__ import annotations

import sys

from keyfob.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
