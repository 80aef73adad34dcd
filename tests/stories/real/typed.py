"""A program at a terminal of its own, and what is typed there."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence


class Typed:
    """A running program."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        import pty

        self.screen = ""
        self.descriptor, end = pty.openpty()
        self.process = subprocess.Popen(
            command, env={**environment, "TERM": "xterm", "COLUMNS": "100"},
            stdin=end, stdout=end, stderr=end, text=True, start_new_session=True,
        )  # fmt: skip
        os.close(end)

    def read_until(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        end = time.monotonic() + seconds
        while (found := re.search(pattern, self.screen)) is None:
            left = end - time.monotonic()
            assert left > 0, f"{pattern} is not in {self.screen}"
            if select.select([self.descriptor], [], [], left)[0]:
                try:
                    self.screen += os.read(self.descriptor, 65536).decode()
                except OSError as problem:  # the program has gone
                    raise AssertionError(f"{pattern} is not in {self.screen}") from problem
        return found

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self.descriptor)
