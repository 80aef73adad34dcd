"""An auth object for requests that brings the token to one origin only, and tries once more where that may help."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import requests
import requests.auth
from requests.sessions import SessionRedirectMixin
from requests.utils import requote_uri

from keyfob.client.session.calls import DENIALS, Call, Calls
from keyfob.protocol.http import Response


class RequestsAuth(requests.auth.AuthBase):
    """For `requests.get(..., auth=...)` and `Session.auth`."""

    def __init__(self, calls: Calls) -> None:
        """Know where tokens come from, and for whom they are."""
        self._calls = calls

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Bring the token. Raises as `Calls.begin`."""
        visit = _Visit(self._calls, self._calls.begin(r.method or "GET", r.url or ""))
        _put(visit.call, r)
        r.register_hook("response", visit.answered)
        return r


class _Visit:
    """One call with its redirects: requests copies a request's headers and its hooks to wherever it is sent on."""

    def __init__(self, calls: Calls, call: Call) -> None:
        self._calls = calls
        self.call = call

    def answered(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401  as it comes
        """Send once more, or let the answer stand. Raises as `Call.again`."""
        sent = response.request
        while True:
            if response.status_code in DENIALS:
                _ = response.content  # whatever is done next may take longer than the connection lasts
            if not self.call.again(_plain(response), can_repeat=_can_repeat(sent)):
                break
            response = self._repeat(response, **options)
        if response.is_redirect:
            self._follow(sent, response)
        return response

    def _repeat(self, refused: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401
        again = refused.request.copy()
        _put(self.call, again)
        refused.close()
        response: requests.Response = refused.connection.send(again, **options)
        response.history.append(refused)
        response.request = again
        return response

    def _follow(self, sent: requests.PreparedRequest, response: requests.Response) -> None:
        """Requests will copy what was sent: let it carry what the next address may have, and nothing else."""
        rules, following = SessionRedirectMixin(), sent.copy()
        rules.rebuild_method(following, response)
        location = rules.get_redirect_target(response) or ""
        following.url = "" if not location else requote_uri(urljoin(response.url, location))
        if urlsplit(following.url).scheme in {"http", "https"}:
            following.prepare_url(following.url, None)  # as the connection will read it
            self.call = self._calls.begin(following.method or "GET", following.url or "")
            _put(self.call, sent)


def _put(call: Call, request: requests.PreparedRequest) -> None:
    call.put(cast("MutableMapping[str, str]", request.headers))


def _plain(response: requests.Response) -> Response:
    return Response(response.status_code, tuple((name.lower(), value) for name, value in response.headers.items()))


def _can_repeat(request: requests.PreparedRequest) -> bool:
    """Whether the body is at hand still; a stream is gone once it was sent."""
    return request.body is None or isinstance(request.body, str | bytes)
