"""E-mail in development: messages are stored in an outbox, in memory or in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from keyfob.server.decide.multifactor import MESSAGE_LIFETIME


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str


class MemoryOutbox:
    """Store messages in `sent`, newest last."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    async def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append(Mail(to, subject, text))


class FolderOutbox:
    """Write each message to a file that only its owner may read: `outbox/*.eml` in the tenant's folder.

    It is removed when its code has lapsed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._remove_lapsed()

    async def send(self, to: str, subject: str, text: str) -> None:
        message = EmailMessage()
        message["To"], message["Subject"], message["From"] = to, subject, "keyfob <no-reply@localhost>"
        message.set_content(text)
        await asyncio.to_thread(self._write, message.as_bytes())
        asyncio.get_running_loop().call_later(MESSAGE_LIFETIME.total_seconds() + 1, self._remove_lapsed)

    def _remove_lapsed(self) -> None:
        """Remove the messages whose codes are no longer valid."""
        oldest = time.time() - MESSAGE_LIFETIME.total_seconds()
        for path in self._folder.glob("*.eml"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _write(self, content: bytes) -> None:
        self._remove_lapsed()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{secrets.token_hex(4)}.eml"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
