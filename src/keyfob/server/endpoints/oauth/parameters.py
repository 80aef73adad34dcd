"""Read the parameters of a request: a query, a form or, as at Auth0, a JSON object (RFC 6749 §3.2, App. B).

Every endpoint uses these functions, which limit the number and the lengths of the parameters.
"""

from __future__ import annotations

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields, read_form, read_json
from keyfob.protocol.http import FORM, JSON, Request, Response, media_type
from keyfob.server.decide.limits import PARAMETERS, SHORTEST_LIMIT, bounded
from keyfob.server.site import Site
from keyfob.server.wire import outcome_of


def read_parameters(request: Request) -> Fields:
    """Return the parameters of the body. The query is ignored (RFC 6749 §2.3.1).

    Raises:
        Malformed: The body is neither a form nor a JSON object, or a parameter is too long.
    """
    kind = media_type(request.header("content-type"))
    if kind == JSON:
        return bounded(read_json(request.body, "request"))
    if kind in {FORM, ""}:
        return read_body(request)
    raise Malformed("request: the content type is neither a form nor JSON", field="content-type")


def read_body(request: Request) -> Fields:
    """Return the parameters of a form.

    Raises:
        Malformed: The body is not a form, or a parameter is too long.
    """
    return _read(request.body)


def read_query(request: Request) -> Fields:
    """Return the parameters of the query.

    Raises:
        Malformed: The query cannot be read, or a parameter is too long.
    """
    return _read(request.query.encode())


def _read(text: bytes) -> Fields:
    if text.count(b"&") > PARAMETERS:  # before the work of reading them
        raise Malformed("request: there are too many parameters")
    fields = read_form(text, "request")
    # A form that is shorter than each limit needs no check, unless it may contain U+0000.
    is_short = len(text) <= SHORTEST_LIMIT and b"\0" not in text and b"%00" not in text
    return fields if is_short else bounded(fields)


def malformed(site: Site, problem: Malformed) -> Response:
    """Return the response to a malformed request."""
    return site.refuse(outcome_of(problem), problem=problem_text(problem))


def problem_text(problem: Malformed) -> str:
    """Return the error's text for the client. For a missing parameter, return the text that Auth0 uses."""
    text = problem.message.partition(": ")[2] or problem.message
    if text.endswith("is missing") and problem.field:
        return f"Missing required parameter: {problem.field}"
    return text
