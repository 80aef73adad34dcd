"""A `systemd-creds` that turns what it is given around."""

import stat
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import os, sys
assert "--name=keyfob" in sys.argv and sys.argv[-2:] == ["-", "-"], sys.argv
assert ("--user" in sys.argv) == (os.geteuid() != 0)
content = sys.stdin.buffer.read()
sys.stdout.buffer.write(content[::-1])
sys.exit({code})
"""


def play_systemd(folder: Path, code: int = 0) -> str:
    """Put one into that folder that ends with that code; gives its path."""
    file = folder / "systemd-creds"
    file.write_text(_PROGRAM.format(python=sys.executable, code=code), encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)
