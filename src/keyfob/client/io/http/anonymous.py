"""Call an API without a login, and find the API's authorization server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from keyfob.client.flows.resource_discovery import ApiFound, find_issuer
from keyfob.client.io.world import SystemWorld
from keyfob.errors import Misuse
from keyfob.io.http import sender_for
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Request, Response
from keyfob.run import run


class AnonymousClient:
    """An API client without a token, which follows no redirects."""

    def __init__(self, ca: str | None = None) -> None:
        """Trust the system's certificate authorities and, if `ca` is not None, those in that file."""
        self._ca = None if ca is None else Path(ca)

    def call(
        self, request: Request, write: Callable[[bytes], None], head: Callable[[Response], None] | None = None
    ) -> Response:
        """Send one request and pass the response's body to `write`, piece by piece.

        Args:
            head: The function that receives status and headers before the body.

        Returns:
            The response without its body.

        Raises:
            Misuse: The address is plain http and not on this machine.
            Unreachable: There is no response.
            Malformed: The response is not usable HTTP.
        """
        from keyfob.client.io.http.httpx2_auth import call, plain_client  # noqa: PLC0415  loads httpx2: 70 ms

        if not is_safe(request.url):
            raise Misuse(
                "a request is not sent to another computer over plain http", hint="Use the API's https address."
            )
        with plain_client(self._ca) as client:
            return call(client, request, write, head)

    def find(self, url: str, refusal: Response, trusted: Collection[str] = ()) -> ApiFound:
        """Return the authorization servers and scope that an API requires. Raises the errors of `find_issuer`."""
        return run(find_issuer(SystemWorld(http=sender_for(self._ca)), url, refusal, trusted))
