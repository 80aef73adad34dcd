"""Read what a program posts: a form or a JSON object (RFC 6749 §3.2, App. B; Auth0 takes both)."""

from __future__ import annotations

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
    if problem.field == "scope" and not problem.message.endswith("sent twice"):
        return site.refuse("scope_malformed")
    if problem.field in {"audience", "resource"} and problem.message.endswith("more than one API"):
        return site.refuse("audience_many")
    return site.refuse("request_malformed", problem=problem_text(problem))


def problem_text(problem: Malformed) -> str:
    """What may be said of it."""
    text = problem.message.partition(": ")[2] or problem.message
    if text.endswith("is missing") and problem.field:
        return f"Missing required parameter: {problem.field}"
    return text
