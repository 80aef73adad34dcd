"""Write the file from which `io/prompt_line.py` reads the text for the shell's prompt."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from keyfob.client.io.vault.files import home, write_private
from keyfob.errors import VaultUnavailable
from keyfob.io import prompt_line, quick


class PromptFile:
    """The file with the text for the shell's prompt, for one working folder and one environment.

    They are those of the process in which this object was created.
    """

    def __init__(self) -> None:
        """Record the current folder and environment."""
        self._home = str(home())
        self._asked = os.environ.get("KEYFOB_PROFILE") or ""
        self._project = prompt_line.project_file()
        self._seen = prompt_line.seen_of(self._project)
        self._now = int(time.time())
        self._states: dict[str, str] = {}

    def watch(self, profile: str) -> None:
        """Record the profile's state. Call this before reading the login that the prompt describes.

        If the login changes after this call, `io/prompt_line.py` ignores the text that `keep` writes.
        """
        self._states[profile] = prompt_line.state_of(self._home, profile)

    def keep(self, profile: str, lines: tuple[str, str], until: int | None) -> None:
        """Write the prompt's text. An error is ignored, because the file only saves time.

        If the login has changed since the call of `watch`, `io/prompt_line.py` ignores the text.

        Args:
            profile: The profile that the text describes.
            lines: Two texts: the present text, and the text from the time `until`.
            until: The time at which the second text replaces the first, in Unix time; None for never.
        """
        if not prompt_line.is_usual() or quick.place("")[1] != self._home:
            return
        with contextlib.suppress(VaultUnavailable, OSError, ValueError):  # the file only saves time
            content = prompt_line.write(
                self._asked, self._seen, profile, self._states[profile], self._now, until, lines
            )
            prompt_line.sweep(self._home)
            write_private(Path(prompt_line.place(self._home, self._asked, self._project)), content)
