"""Write e-mails (RFC 5322), and store them in an outbox for development: in memory, or in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Final

from keyfob.errors import Unreachable
from keyfob.server.decide.limits import LONGEST_EMAIL

# Characters that separate addresses, comments in a header, or parameters of an SMTP command.
_NOT_IN_ADDRESSES: Final = frozenset(' "(),:;<>[\\]')
_KEPT: Final = timedelta(minutes=30)  # the lifetime of a link to choose a password
_OUTBOX_SENDER: Final = Address("keyfob", "no-reply", "localhost")


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str
    html: str = ""


def read_address(text: str, name: str = "") -> Address:
    """Parse the address of exactly one mailbox, with an optional display name.

    Raises:
        ValueError: The text is not exactly one address, or is too long.
    """
    local, _, domain = text.rpartition("@")
    is_plain = text.isprintable() and not _NOT_IN_ADDRESSES & set(text)
    if not local or not domain or "@" in local or not is_plain or len(text) > LONGEST_EMAIL:
        raise ValueError
    return Address(name, local, domain)


def write_message(sender: Address, to: Address, mail: Mail) -> EmailMessage:
    """Return a message with plain text, HTML if there is any, and the headers that mark an automatic message."""
    is_ascii = f"{to.addr_spec}{sender.addr_spec}".isascii()
    message = EmailMessage((policy.SMTP if is_ascii else policy.SMTPUTF8).clone(cte_type="7bit"))
    message["From"], message["To"] = sender, to
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # so that no program replies (RFC 3834 §5)
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    return message


def address_to(text: str) -> Address:
    """Parse a user's e-mail address.

    Raises:
        Unreachable: The text is not exactly one address.
    """
    try:
        return read_address(text)
    except ValueError:
        raise Unreachable("no e-mail can be sent to the user's address") from None


class MemoryOutbox:
    """An outbox in memory. `sent` contains the messages, the newest last."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        self.sent.append(Mail(to, subject, text, html))


class FolderOutbox:
    """An outbox of files `outbox/*.eml` in the tenant's folder, which only their owner may read.

    A file is deleted when its code or link has expired.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._remove_lapsed()

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        message = write_message(_OUTBOX_SENDER, address_to(to), Mail(to, subject, text, html))
        await asyncio.to_thread(self._write, message.as_bytes())
        asyncio.get_running_loop().call_later(_KEPT.total_seconds() + 1, self._remove_lapsed)

    def _remove_lapsed(self) -> None:
        """Delete the messages whose codes or links have expired."""
        oldest = time.time() - _KEPT.total_seconds()
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
