"""The ASGI application of a tenant, and the conversion between ASGI messages and requests and responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import datetime, timedelta
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Final

from keyfob.errors import StoreUnavailable
from keyfob.io.redacting import guard_log
from keyfob.protocol.address import is_loopback
from keyfob.protocol.certificate import der_of_pem
from keyfob.protocol.http import Request, Response
from keyfob.server.decide import limits
from keyfob.server.decide.forwarded import client_address
from keyfob.server.endpoints.routes import PROBES, handle
from keyfob.server.io.passwords import CALLER_LEFT
from keyfob.server.io.reload import Reloader
from keyfob.server.io.render import script, style
from keyfob.server.ports import Transaction
from keyfob.server.settings.config import TenantConfig
from keyfob.server.site import Site
from keyfob.server.wire import answer, retry_after

_NO_WEBSOCKET: Final = 1003
_NO_TIME: Final = timedelta(0)
_LONGEST_WAIT: Final = limits.SWEEP_EVERY + limits.SWEEP_IDLE
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wait = Callable[[float], Awaitable[None]]

_LOG: Final = logging.getLogger("keyfob.serve")


class AsgiApp:
    """The ASGI application of a tenant."""

    def __init__(self, site: Site, reloader: Reloader | None = None, wait: Wait | None = None) -> None:
        """Create the application.

        Args:
            site: The state of the tenant.
            reloader: Reloads changed settings before a request.
            wait: A function that waits for a number of seconds. Some e-mails are sent after the response. Before each
                of them, `wait` is called with a random number. So the server's load does not reveal whether there is an
                e-mail. If `wait` is None, these e-mails are sent immediately after the response.
        """
        self._site = site
        self._reloader = reloader
        self._wait = wait
        self._sweep_at = site.now() + limits.SWEEP_EVERY
        self._is_sweeping = False
        guard_log()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            began = perf_counter()
            response = await self._answer(scope, receive)
            if response is not None:
                self._site.meter.request(scope["path"], response.status, perf_counter() - began)
                await _write(
                    response, send, _headers_of_all(self._site.config.issuer), has_body=scope["method"] != "HEAD"
                )
            if self._site.later:
                await self._do_later()
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _NO_WEBSOCKET})

    async def answer(self, request: Request) -> Response:
        """Return the response to one request.

        If an exception is raised, log it and return an error response, which contains nothing of the exception.
        """
        path = request.path
        if path in PROBES:
            return _checked(await handle(self._site, request))
        try:
            now = self._site.now()
            if self._reloader is not None and self._reloader.is_due(now):
                await self._reloader.reload(now)
            if request.method in {"GET", "HEAD"}:
                if path == "/assets/style.css":
                    return _asset("text/css", style(self._site.config.colour))
                if path == "/assets/passkey.js":
                    return _asset("text/javascript", script())
            if self._is_sweep_due(now):
                await self.sweep_if_due()
            return _checked(await handle(self._site, request))
        except StoreUnavailable as problem:
            _LOG.warning("a request was refused: %s", problem.message)
            return answer(self._site.config.wire, "busy", headers=retry_after(limits.STORE_RETRY))
        except Exception:  # noqa: BLE001  a response must never contain a traceback
            _LOG.exception("a request could not be answered")
            return self._site.refuse("server_error")

    async def sweep_if_due(self, *, is_idle: bool = False) -> None:
        """Delete expired rows if the last sweep is long enough ago: a second, or ten seconds if `is_idle` is True.

        A request calls this with False, and the server's timer calls this with True. If the last sweep left expired
        rows, the next sweep is due at once.
        """
        now = self._site.now()
        if self._is_sweeping or not self._is_sweep_due(now, limits.SWEEP_IDLE if is_idle else _NO_TIME):
            return
        self._is_sweeping, self._sweep_at = True, now + limits.SWEEP_EVERY
        try:
            gone = await self._site.store.write(partial(_sweep, now=now, config=self._site.config))
        except StoreUnavailable as problem:  # the request does not fail, and /readyz reports the unavailable store
            _LOG.warning("expired rows could not be deleted: %s", problem.message)
            return
        except Exception:  # noqa: BLE001  as above
            _LOG.exception("expired rows could not be deleted")
            return
        finally:
            self._is_sweeping = False
        if gone >= limits.SWEPT_AT_ONCE:
            self._sweep_at = now - limits.SWEEP_IDLE  # more rows have expired, so the next sweep is due at once

    async def _do_later(self) -> None:
        """Send the e-mails that were deferred until the response was sent. Log exceptions."""
        while self._site.later:
            work = self._site.later.pop(0)
            try:
                if self._wait is not None:
                    part = int.from_bytes(self._site.random(4)) / 2**32
                    await self._wait(part * limits.MAIL_SPREAD.total_seconds())
                await work()
            except Exception:  # noqa: BLE001  as above
                _LOG.exception("something failed after a response")

    def _is_sweep_due(self, now: datetime, later: timedelta = _NO_TIME) -> bool:
        """Return whether a sweep became due at least `later` ago. A sweep is also due if the clock was set back."""
        return not _NO_TIME < self._sweep_at - now + later <= _LONGEST_WAIT

    async def _answer(self, scope: Message, receive: Receive) -> Response | None:
        """Return the response to a request, or None if the client disconnected before the request was complete."""
        body = await _read(receive)
        if body is None:
            return None
        if len(body) > limits.BODY_BYTES:
            # Close the connection, so that the rest of the body is not read.
            return answer(self._site.config.wire, "too_large", headers=(("connection", "close"),))
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        url = path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        CALLER_LEFT.set(partial(_wait_until_left, receive))
        client = scope.get("client")
        config = self._site.config
        # A proxy terminated TLS, so the address of this connection is the address of the proxy.
        is_hidden = config.is_https and scope.get("scheme") == "http"
        # A forwarding header is trusted only from a proxy that the settings name (RFC 9700 §4.13).
        peer: str = client[0] if client else ""
        if is_hidden or config.trusted_proxies:
            peer = client_address(peer, headers, config.trusted_proxies, is_hidden=is_hidden)
        return await self.answer(Request(scope["method"], url, headers, body, peer, _certificate_of(scope)))


async def _sweep(transaction: Transaction, now: datetime, config: TenantConfig) -> int:
    gone = await transaction.sweep_events(now - config.audit_age, config.audit_rows, limits.SWEPT_AT_ONCE)
    return gone + await transaction.sweep(now, limits.SWEPT_AT_ONCE)


def _certificate_of(scope: Message) -> bytes:
    """Return the client certificate in DER, or b"". Only ASGI's TLS extension is read, never an HTTP header."""
    extensions: dict[str, dict[str, Any]] | None = scope.get("extensions")
    if not extensions:
        return b""
    chain: Iterable[object] = extensions.get("tls", {}).get("client_cert_chain") or ()
    first = next(iter(chain), None)
    return (der_of_pem(first) if isinstance(first, str) else None) or b""


def _asset(kind: str, content: bytes) -> Response:
    headers = (
        ("content-type", f"{kind}; charset=utf-8"),
        ("cache-control", "public, max-age=3600"),
    )
    return Response(200, headers, content)


def _checked(response: Response) -> Response:
    """Return the response, after checking its headers.

    Raises:
        ValueError: A header has characters that HTTP forbids. A line feed, for example, could begin a new header.
    """
    values = "".join([value for _, value in response.headers])
    if not (values.isascii() and values.isprintable()):
        raise ValueError("a header of a response is not plain ASCII")
    return response


async def _read(receive: Receive) -> bytes | None:
    """Return the request body, or None if the client has disconnected. Stop reading if the body exceeds the limit."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        is_last = not message.get("more_body")
        if is_last and not body:  # usually the whole body is in one message
            return part
        body += part
        if len(body) > limits.BODY_BYTES or is_last:
            return bytes(body)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@lru_cache(maxsize=8)
def _headers_of_all(issuer: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that every response gets: nosniff, and HSTS with https (OWASP ASVS 3.4.1, 3.4.4)."""
    nosniff = ((b"x-content-type-options", b"nosniff"),)
    # HSTS for `localhost` would force https on every other local server of this developer, for a year.
    if not issuer.startswith("https://") or is_loopback(issuer):
        return nosniff
    return (*nosniff, (b"strict-transport-security", b"max-age=31536000"))


async def _write(response: Response, send: Send, more: tuple[tuple[bytes, bytes], ...], *, has_body: bool) -> None:
    headers = [(_encoded_name(name), value.encode("latin-1")) for name, value in response.headers]
    headers += more
    headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if has_body else b""})


@lru_cache(maxsize=64)  # callers cannot fill the cache: only this server chooses header names
def _encoded_name(name: str) -> bytes:
    return name.encode("latin-1")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
