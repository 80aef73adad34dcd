"""Read what a program posts: a form or a JSON object (RFC 6749 §3.2, App. B; Auth0 takes both)."""

from __future__ import annotations

import base64

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields, read_form, read_json
from keyfob.protocol.http import FORM, JSON, Request, Response, media_type
from keyfob.server.site import Site


def read_parameters(request: Request) -> Fields:
    """The parameters of a POST. Those in the query are not looked at (RFC 6749 §2.3.1).

    Raises:
        Malformed: Neither a form nor a JSON object.
    """
    kind = media_type(request.header("content-type"))
    if kind == JSON:
        return read_json(request.body, "request")
    if kind in {FORM, ""}:
        return read_form(request.body, "request")
    raise Malformed("request: the content type is neither a form nor JSON", field="content-type")


def malformed(site: Site, problem: Malformed) -> Response:
    """What to answer to a request that breaks the protocol, in Auth0's words where a parameter is missing."""
    if problem.code == "unsupported-grant":
        return site.refuse("grant_unsupported")
    if problem.field == "scope":
        return site.refuse("request_malformed", problem="The scope holds a character that is not allowed.")
    text = problem.message.partition(": ")[2] or problem.message
    if text.endswith("is missing") and problem.field:
        text = f"Missing required parameter: {problem.field}"
    return site.refuse("request_malformed", problem=text)


def authenticates(request: Request, fields: Fields) -> bool:
    """Whether a program tries to authenticate, which public ones must not.

    A Basic header with an empty secret is no attempt: some libraries send `client_id:` for public programs.
    """
    scheme, _, shown = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            _, colon, secret = base64.b64decode(shown, validate=True).partition(b":")
        except ValueError:
            return True
        if secret or not colon:
            return True
    return fields.has("client_secret") or fields.has("client_assertion")
