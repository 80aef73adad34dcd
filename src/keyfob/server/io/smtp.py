"""Send e-mail by SMTP (RFC 5321), over TLS (RFC 8314, RFC 3207), with authentication at the server (RFC 4954)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import unquote, urlsplit

from keyfob.errors import Misuse, Unreachable
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret
from keyfob.server.decide import limits
from keyfob.server.io.mail import Mail, address_to, read_address, write_message

if TYPE_CHECKING:
    import aiosmtplib
else:
    aiosmtplib = LazyModule("aiosmtplib")  # imported at the first use, since not every tenant sends e-mail

Security = Literal["starttls", "implicit", "none"]
_PORTS: Final[dict[Security, int]] = {"starttls": 587, "implicit": 465, "none": 25}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_QUIT_TIME: Final = 1.0  # seconds for QUIT, which is sent after the message was accepted
_FAULT_OF_SERVER: Final = 400  # replies from this code on are refusals: 4xx is temporary, 5xx is permanent
_FOR_GOOD: Final = 500
_URL_HINT: Final = (
    "For example smtp://USER@smtp.example.com:587 (STARTTLS), or smtps://USER@smtp.example.com (port 465)."
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server that this tenant sends e-mail through.

    Attributes:
        security: With `starttls`, the connection is upgraded to TLS, or closed if that fails. With `implicit`, the
            connection uses TLS from the first byte. With `none`, the connection is not encrypted.
        user: The name to log in with, or "" for no login.
    """

    host: str
    port: int
    security: Security = "starttls"
    user: str = ""

    @classmethod
    def read(cls, url: str) -> MailServer:
        """Parse a URL `smtp://USER@HOST:PORT` or `smtps://...`.

        `smtps` means TLS from the first byte. `smtp` means STARTTLS, or no encryption for a server on this machine.

        Raises:
            Misuse: The text is not such a URL, or contains a password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise Misuse("this is not the address of a mail server", hint=_URL_HINT) from None
        if parts.password is not None:
            hint = (
                "Change the password, since others may have seen it. Put the new one into "
                "KEYFOB_SMTP_PASSWORD or a file."
            )
            raise Misuse("the address of the mail server contains a password", hint=hint)
        is_bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
        if parts.scheme not in {"smtp", "smtps"} or not host or not is_bare or not url.isprintable() or " " in url:
            raise Misuse("this is not the address of a mail server", hint=_URL_HINT)
        security: Security = "implicit" if parts.scheme == "smtps" else "none" if host in _LOOPBACK else "starttls"
        return cls(host, port or _PORTS[security], security, unquote(parts.username or ""))


class SmtpMailer:
    """Sends each message over a new connection, in ten seconds at most.

    Connecting is tried twice. A message is sent only once: a server that does not respond may have accepted the
    message.
    """

    def __init__(
        self, server: MailServer, sender: str, password: Secret | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Create the mailer without connecting.

        Args:
            server: The server.
            sender: The sender of the messages: an address, or `Name <address>`.
            password: The password of the server's `user`.
            tls: The TLS context that verifies the server's certificate. By default, the system's authorities or those
                in SSL_CERT_FILE are trusted.

        Raises:
            Misuse: The sender is not one address of ASCII letters; or there is a `user` without a password, or a
                password without a `user`.
        """
        name, bracket, rest = sender.rpartition("<")
        address = rest.removesuffix(">") if bracket else sender
        try:
            self._sender: Address = read_address(address, name.strip(' "'))
        except ValueError:
            raise Misuse(
                "the sender is not a single e-mail address", hint="For example no-reply@example.com."
            ) from None
        if not address.isascii():
            raise Misuse(
                "the sender's address contains letters beyond ASCII", hint="Write its domain in ASCII, as xn--..."
            )
        if bool(server.user) != (password is not None):
            hint = "Set KEYFOB_SMTP_PASSWORD, or pass a file with --smtp-password; the user name is in the address."
            raise Misuse("the login at the mail server needs a user name and a password", hint=hint)
        self._server, self._password, self._tls = server, password, tls
        self._under_way = 0
        self._lookup: asyncio.Task[None] | None = None

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        recipient = address_to(to)
        message = write_message(self._sender, recipient, Mail(to, subject, text, html))
        options = [] if to.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        if self._under_way >= limits.MAILS_AT_ONCE:
            raise _unsent("too many e-mails are being sent; the mail server is slow")
        self._under_way += 1
        try:
            async with asyncio.timeout(limits.MAIL_TIME.total_seconds()):
                client = await self._connected()
                try:
                    await client.sendmail(self._sender.addr_spec, [to], message.as_bytes(), mail_options=options)
                except BaseException:
                    _abandon(client)
                    raise
        except TimeoutError:
            raise _unsent(f"the mail server took longer than {limits.MAIL_TIME.seconds} seconds") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as problem:
            raise _unsent(_words(problem)) from None
        finally:
            self._under_way -= 1
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=_QUIT_TIME)
        _abandon(client)

    async def _connected(self) -> aiosmtplib.SMTP:
        """Return a connection that is encrypted and logged in."""
        await self._look_up()
        try:
            return await self._connect()
        except (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPServerDisconnected):
            return await self._connect()

    async def _connect(self) -> aiosmtplib.SMTP:
        server, security = self._server, self._server.security
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._sender.domain,
            timeout=None,  # the time limit in `send` covers the whole exchange
            use_tls=security == "implicit",
            start_tls=security == "starttls",
            tls_context=self._tls or ssl.create_default_context(),
        )
        try:
            await client.connect()
            if self._password is not None:
                await client.login(server.user, self._password.reveal())
        except BaseException:
            _abandon(client)
            raise
        return client

    async def _look_up(self) -> None:
        """Look up the IP address of the mail server. All messages that are sent at the same time share one lookup.

        A lookup waits on one of the threads that also hash passwords. If the name server does not respond, only this
        one thread waits, and the other threads still hash passwords.
        """
        lookup = self._lookup
        if lookup is None or lookup.done():
            lookup = self._lookup = asyncio.create_task(_look_up(self._server))
        await asyncio.shield(lookup)


async def _look_up(server: MailServer) -> None:
    with contextlib.suppress(OSError):  # connecting fails for the same reason, and reports the error
        await asyncio.get_running_loop().getaddrinfo(server.host, server.port)


def _abandon(client: aiosmtplib.SMTP) -> None:
    """Close a connection at once. A regular close of TLS would wait for the server, which may not respond."""
    transport = client.transport
    client.close()
    if transport is not None:
        cast("asyncio.WriteTransport", transport).abort()


def _unsent(message: str) -> Unreachable:
    return Unreachable(message, hint="Check the mail server, and --smtp.")


def _words(problem: Exception) -> str:
    """Describe a problem. The server's texts are left out, since they may contain addresses or parts of messages."""
    match problem:
        case aiosmtplib.SMTPAuthenticationError():
            return f"the mail server refused the user name and the password ({problem.code})"
        case aiosmtplib.SMTPRecipientsRefused():
            return f"the mail server refused the user's address ({problem.recipients[0].code})"
        case aiosmtplib.SMTPResponseException() if problem.code >= _FAULT_OF_SERVER:
            for_now = "" if problem.code >= _FOR_GOOD else " for now"
            return f"the mail server refused the e-mail{for_now} ({problem.code})"
        case aiosmtplib.SMTPNotSupported():
            return "the mail server does not support addresses with letters beyond ASCII (SMTPUTF8)"
        case _ if _is_about_certificate(problem):
            return "the mail server's certificate is not trusted"
        case aiosmtplib.SMTPServerDisconnected() | ConnectionResetError():
            return "the mail server closed the connection"
        case aiosmtplib.SMTPConnectError() | OSError():
            return "the mail server cannot be reached"
        case _:
            return "the mail server supports no STARTTLS, or no known authentication method"


def _is_about_certificate(problem: BaseException | None) -> bool:
    while problem is not None and not isinstance(problem, ssl.SSLCertVerificationError):
        problem = problem.__cause__ or problem.__context__
    return problem is not None
