"""E-mail in development: messages are stored in an outbox, in memory or in a folder."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path


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
    """Write each message to a file that only its owner may read: `outbox/*.eml` in the tenant's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, to: str, subject: str, text: str) -> None:
        message = EmailMessage()
        message["To"], message["Subject"], message["From"] = to, subject, "keyfob <no-reply@localhost>"
        message.set_content(text)
        await asyncio.to_thread(self._write, message.as_bytes())

    def _write(self, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{secrets.token_hex(4)}.eml"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
