"""Choose the mailer of `keyfob serve`: a mail server, an outbox for development, or none."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Final

from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.serve import FolderOutbox, MailServer, SmtpMailer
from keyfob.server.ports import Mailer

PASSWORD_VARIABLE: Final = "KEYFOB_SMTP_PASSWORD"
NONE_SET_UP: Final = "off, so no codes are sent by e-mail (--smtp, or --dev)"


def mailer_of(flags: Namespace, folder: Path) -> tuple[Mailer | None, str]:
    """Return the mailer and its description for the operator. The mailer is None if the flags select none.

    Args:
        flags: The flags of the command.
        folder: The tenant's folder.

    Raises:
        Misuse: The flags contradict each other, or the password cannot be read.
    """
    if flags.smtp is None:
        if flags.mail_from is not None or flags.smtp_password is not None:
            raise Misuse("there is no mail server", hint="Add --smtp smtp://USER@HOST:587.")
        if not flags.dev:
            return None, NONE_SET_UP
        outbox = folder / "outbox"
        return FolderOutbox(outbox), f"files in {outbox}"
    server = MailServer.read(flags.smtp)
    sender = flags.mail_from or (server.user if "@" in server.user else "")
    if not sender:
        raise Misuse("there is no sender for e-mails", hint="Add --mail-from ADDRESS.")
    mailer = SmtpMailer(server, sender, _password(flags.smtp_password))
    return mailer, f"by {server.host}:{server.port}, from {sender}"


def _password(file: Path | None) -> Secret | None:
    """Return the password in the file or, without a file, in the environment; None if neither is given.

    Raises:
        Misuse: The file cannot be read, or is empty.
    """
    if file is None:
        value = os.environ.get(PASSWORD_VARIABLE, "")
        return Secret(value) if value else None
    try:
        value = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else "") or "it is not text"
        raise Misuse(f"the file of --smtp-password cannot be read: {reason}") from None
    if not value:
        raise Misuse("the file of --smtp-password is empty", hint="Put the password there, and nothing else.")
    return Secret(value)
