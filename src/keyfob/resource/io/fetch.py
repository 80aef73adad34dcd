"""Fetch an issuer's metadata and keys (RFC 8414 §3, OpenID Connect Discovery §4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Generic, TypeVar

from keyfob.errors import Malformed, Misuse
from keyfob.io.http import sender_for
from keyfob.jose.keys import KeySet
from keyfob.protocol.address import is_safe
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.metadata import ServerMetadata, well_known
from keyfob.resource.ports import Sender


def get(address: str, send: Sender) -> Response:
    """Send a GET request, and return the response if its status is 200.

    Raises:
        Malformed: The status is not 200.
        Unreachable: The server does not answer.
    """
    response = send(Request("GET", address, (("accept", JSON),)))
    if response.status != 200:
        raise Malformed("the issuer did not answer with its keys or metadata", code="metadata-missing")
    return response


def fetch_metadata(issuer: str, send: Sender) -> ServerMetadata:
    """Return the issuer's metadata.

    Raises:
        Malformed: The issuer has no metadata, or the metadata names another issuer.
        Unreachable: The issuer does not answer.
    """
    for address in well_known(issuer):
        try:
            document = read_json(get(address, send).body, "metadata")
        except Malformed:
            continue
        return ServerMetadata.read(document, issuer=issuer)
    raise Malformed("the issuer has no metadata at its well-known addresses", code="metadata-missing")


def find_jwks_uri(issuer: str, send: Sender) -> str:
    """Return the `jwks_uri` from the issuer's metadata.

    Raises:
        Malformed: The metadata has no `jwks_uri`, or its `jwks_uri` is not safe.
        Unreachable: The issuer does not answer.
    """
    found = fetch_metadata(issuer, send).jwks_uri
    if found is None or not is_safe(found):
        raise Malformed(
            "the issuer's metadata names no safe address for its keys", field="jwks_uri", code="metadata-missing"
        )
    return found


def fetch_keys(issuer: str, ca: Path | str | None = None) -> KeySet:
    """Return an issuer's keys, for `explain` and `verify`. A guard fetches its keys itself.

    Args:
        issuer: The issuer, exactly as in its metadata.
        ca: A PEM file of certificate authorities to trust in addition to the system's.

    Raises:
        Misuse: The issuer is not an https address.
        Malformed: The issuer has no metadata or no keys.
        Unreachable: The issuer does not answer.
    """
    if not is_safe(issuer):
        raise Misuse("an issuer is an https address, or plain http on this machine")
    send = sender_for(None if ca is None else Path(ca))
    return KeySet.read(read_json(get(find_jwks_uri(issuer, send), send).body, "key set"))


T = TypeVar("T")


class SharedCall(Generic[T]):
    """A call that several callers share. The first caller that waits runs the call; all callers get its result."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._claim = threading.Lock()
        self._done: Future[T] = Future()
        # A running future cannot be cancelled: one caller that gives up must not cancel the others' wait.
        self._done.set_running_or_notify_cancel()

    def wait(self) -> T:
        if self._claim.acquire(blocking=False):
            self._run()
        return self._done.result()

    async def wait_async(self) -> T:
        import asyncio  # noqa: PLC0415  38 ms, which an API without an event loop need not spend

        if self._claim.acquire(blocking=False):
            try:
                asyncio.get_running_loop().run_in_executor(None, self._run)
            except RuntimeError:  # the loop is shutting down and starts no thread, but others may wait for this call
                self._run()
        return await asyncio.wrap_future(self._done)

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as problem:  # noqa: BLE001  all waiting callers get it, this one too
            self._done.set_exception(problem)
        else:
            self._done.set_result(result)
