"""A `requests` auth object, which adds the token for one origin only.

`session/calls.py` decides when to repeat a request.
"""

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
    """An auth object for `requests.get(..., auth=...)` and `Session.auth`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the headers that carry the token. Raises the errors of `Calls.begin`."""
        visit = _Visit(self._calls, self._calls.begin(r.method or "GET", r.url or ""))
        _put(visit.call, r)
        r.register_hook("response", visit.answered)
        return r


class _Visit:
    """One request with its redirects.

    For a redirect, `requests` makes a new request, with the headers and hooks of the first one.
    """

    def __init__(self, calls: Calls, call: Call) -> None:
        self._calls = calls
        self.call = call

    def answered(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401  of `requests.adapters`
        """Repeat the request while `Call.again` returns True; return the last response.

        Raises the errors of `Call.again`.
        """
        sent = response.request
        while True:
            if response.status_code in DENIALS:
                _ = response.content  # the connection may time out during the next step
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
        """Set the token headers for a redirect's target.

        They are set on the request that was sent, because `requests` copies its headers to the request for the target.
        """
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
    """Return whether the body can be sent again; a stream cannot."""
    return request.body is None or isinstance(request.body, str | bytes)
