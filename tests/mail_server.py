"""A small mail server on this machine (RFC 5321), which can also misbehave."""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Literal

USER, PASSWORD = "post", "a password of the post office"
# At which command it answers no more, ends the connection, or refuses.
Fault = Literal["greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "sent", "QUIT"]


@dataclass
class Delivered:
    """What was taken: the envelope, and the message as it came."""

    sender: str
    to: list[str]
    raw: bytes
    was_encrypted: bool
    options: str

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> str:
        """The text, or the HTML."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())


@dataclass
class MailServer:
    """How it behaves, and what it took."""

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    wants_login: bool = True
    knows_utf8: bool = True
    hangs_at: Fault | None = None
    dies_at: Fault | None = None
    refuses_at: Fault | None = None
    refuses_with: int = 550
    port: int = 0
    delivered: list[Delivered] = field(default_factory=list)
    connections: int = 0
    connected: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


class _Gone(Exception):
    pass


class _Talk:
    """One connection."""

    def __init__(self, server: MailServer, handler: StreamRequestHandler) -> None:
        self.server, self.handler = server, handler
        self.is_encrypted = self.is_logged_in = False
        self.sender = self.options = ""
        self.to: list[str] = []
        if server.implicit:
            self.encrypt()

    def encrypt(self) -> None:
        assert self.server.tls is not None
        connection = self.server.tls.wrap_socket(self.handler.connection, server_side=True)
        self.handler.connection = connection
        self.handler.rfile, self.handler.wfile = connection.makefile("rb"), connection.makefile("wb", 0)
        self.is_encrypted = True

    def say(self, *lines: str) -> None:
        for number, line in enumerate(lines):
            code, text = line[:3], line[4:]
            self.handler.wfile.write(f"{code}{'-' if number < len(lines) - 1 else ' '}{text}\r\n".encode())

    def line(self) -> str:
        found = self.handler.rfile.readline(4096)
        if not found:
            raise _Gone
        return found.decode().rstrip("\r\n")

    def reaches(self, where: Fault) -> bool:
        """Misbehave here if it is to. Return False if that was refused."""
        if self.server.hangs_at == where:
            self.server.let_go.wait(60)
            raise _Gone
        if self.server.dies_at == where:
            raise _Gone
        if self.server.refuses_at == where:
            self.say(f"{self.server.refuses_with} refused, and nothing of 123456 or {USER} is repeated")
            return False
        return True

    def run(self) -> None:
        if not self.reaches("greeting"):
            return
        self.say("220 here ESMTP")
        while True:
            word, _, rest = self.line().partition(" ")
            name = word.upper()
            if name == "QUIT":
                if self.reaches("QUIT"):
                    self.say("221 bye")
                return
            answer = {
                "EHLO": self.ehlo, "STARTTLS": self.starttls, "AUTH": self.auth, "MAIL": self.mail,
                "RCPT": self.rcpt, "DATA": self.data,
            }.get(name)  # fmt: skip
            if answer is None:
                self.say("250 well")
            elif self.reaches(name):  # type: ignore[arg-type]
                answer(rest)

    def ehlo(self, _: str) -> None:
        known = ["250 here", "250 8BITMIME"]
        known += ["250 SMTPUTF8"] if self.server.knows_utf8 else []
        known += ["250 STARTTLS"] if self.server.tls and not self.is_encrypted else []
        self.say(*known, *(["250 AUTH PLAIN"] if self.server.wants_login else []), "250 SIZE 1000000")

    def starttls(self, _: str) -> None:
        self.say("220 go ahead")
        self.encrypt()

    def auth(self, rest: str) -> None:
        given = base64.b64decode(rest.removeprefix("PLAIN ")).decode()
        self.is_logged_in = given == f"\0{USER}\0{PASSWORD}"
        self.say("235 welcome" if self.is_logged_in else "535 wrong")

    def mail(self, rest: str) -> None:
        if self.server.wants_login and not self.is_logged_in:
            self.say("530 log in first")
            return
        self.sender, _, self.options = rest.removeprefix("FROM:").partition(" ")
        self.say("250 well")

    def rcpt(self, rest: str) -> None:
        self.to.append(rest.removeprefix("TO:"))
        self.say("250 well")

    def data(self, _: str) -> None:
        self.say("354 go ahead")
        lines = []
        while (line := self.handler.rfile.readline(4096)) != b".\r\n":
            if not line:
                raise _Gone
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.reaches("sent"):
            self.server.delivered.append(
                Delivered(self.sender, self.to, b"".join(lines), self.is_encrypted, self.options)
            )
            self.say("250 taken")


@contextmanager
def mail_server(server: MailServer | None = None) -> Generator[MailServer]:
    """Listen at a free port of this machine."""
    server = server or MailServer(wants_login=False)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            server.connections += 1
            server.connected.set()
            with contextlib.suppress(_Gone, OSError):
                _Talk(server, self).run()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            with contextlib.suppress(OSError):
                self.connection.close()

    class Server(ThreadingTCPServer):
        daemon_threads = True

    listening = Server(("127.0.0.1", 0), Handler)
    server.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.let_go.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
