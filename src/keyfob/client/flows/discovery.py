"""Fetch a server's metadata and check the `issuer` in it (RFC 8414 §3, OpenID Connect Discovery §4)."""

from __future__ import annotations

from keyfob.client.model.presets import NAMES, habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.ports import World
from keyfob.errors import Malformed, Misuse, Unreachable
from keyfob.protocol.address import is_safe, is_web_url
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.metadata import ENDPOINTS, ServerMetadata, aliases, well_known


async def discover(world: World, profile: Profile) -> ServerMetadata:
    """Return the issuer's metadata; endpoints in the profile take precedence.

    Args:
        profile: The profile. Its issuer must equal the metadata's `issuer` exactly. If the profile has a token
            endpoint, no metadata is fetched, since some servers publish no metadata. If the profile has a certificate,
            the endpoints for mutual TLS in the metadata (`mtls_endpoint_aliases`) are used (RFC 8705 §5).

    Raises:
        Misuse: The issuer is not an https address; plain http is for loopback only (RFC 8414 §2).
        Malformed: The metadata is another issuer's (code `wrong-issuer`), or missing (code `metadata-missing`).
        Unreachable: The issuer cannot answer at the moment.
    """
    check_issuer(profile.issuer)
    if "token_endpoint" in profile.endpoints:
        found = Fields({**habits_of(profile.issuer).metadata, "issuer": profile.issuer}, "profile")
    else:
        found = await _fetch(world, profile.issuer)
    values = found.values if profile.certificate is None else {**found.values, **aliases(found)}
    metadata = ServerMetadata.read(Fields({**values, **profile.endpoints}, found.what), issuer=profile.issuer)
    _check_endpoints(metadata)
    return metadata


async def _fetch(world: World, issuer: str) -> Fields:
    """Return the issuer's metadata, unchecked.

    Raises:
        Malformed: There is no usable metadata.
        Unreachable: The issuer cannot answer at the moment.
    """
    problems = list[str]()
    hint = f"Check that {well_known(issuer)[0]} opens in a browser, and whether a proxy is in between."
    statuses = set[int]()
    for address in well_known(issuer):
        response = await world.send(Request("GET", address, (("accept", JSON),)))
        statuses.add(response.status)
        if response.status != 200:
            problems += _why_not(response.status)
            continue
        try:
            found = read_json(response.body, "metadata")
        except Malformed:
            problems.append(_not_json(response))
            continue
        if found.has("issuer"):
            return found
        problems.append("the issuer's metadata document names no issuer")
    busy = [status for status in statuses if status >= 500 or status == 429]
    if busy:
        raise Unreachable(
            f"the issuer is not available now (status {busy[0]}), so its metadata is unknown", hint="Try again."
        )
    problem = problems[-1] if problems else "the issuer has no metadata"
    raise Malformed(problem, code="metadata-missing", hint=hint)


def _why_not(status: int) -> list[str]:
    """Return the explanation of an HTTP status for an error message; [] if it needs no explanation, such as 404."""
    if 300 <= status < 400:
        return [f"the issuer redirects the request for its metadata (status {status}); no redirect is followed"]
    if status in {401, 403}:
        return [f"the issuer refused the request for its metadata (status {status})"]
    return []


def check_issuer(issuer: str) -> None:
    """Check that requests to an issuer are safe.

    Raises:
        Misuse: The issuer is not a web address, has a query or a fragment, or is plain http to another machine.
    """
    if not is_web_url(issuer) or "?" in issuer or "#" in issuer:
        hint = f"It looks like https://login.example.com/, or is {NAMES}."
        raise Misuse("the issuer is not a web address", hint=hint)
    if not is_safe(issuer):
        raise Misuse("the issuer is plain http on another computer", hint="Use its https address.")


def _check_endpoints(metadata: ServerMetadata) -> None:
    unsafe = [name for name in ENDPOINTS if (address := getattr(metadata, name)) and not is_safe(address)]
    if unsafe:
        raise Malformed(f"metadata: {unsafe[0]} is plain http on another computer", field=unsafe[0])


def _not_json(response: Response) -> str:
    is_page = b"<html" in response.body[:1000].lower()
    return "the issuer responded with a web page, not with metadata" if is_page else "the metadata is not JSON"
