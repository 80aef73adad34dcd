"""From an API's address alone to whom to ask for a token, by what its refusal names (RFC 9728 §3, §5)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote, urlsplit

from keyfob.client.model.profile import check_name
from keyfob.client.model.step_up import challenge_of
from keyfob.client.ports import World
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.address import is_loopback, is_public, is_safe, origin_of
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.resource_metadata import ResourceMetadata, well_known_resource
from keyfob.protocol.scope import Scope

LARGEST: Final = 64 * 1024
_OK: Final = 200
_DEEPEST: Final = 5
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class ApiFound:
    """What an API says of itself, as far as it may be followed.

    Attributes:
        resource: Its identifier, which a token is asked for (RFC 8707 §2).
        issuers: Whose tokens it takes and who may be asked, those that are trusted already first; never empty.
        scope: What a login should ask for: what the API has just missed, or else all that it knows.
        needs_proof: Whether it takes only tokens that are bound to a key of the login (RFC 9449).
    """

    resource: str
    issuers: tuple[str, ...]
    scope: Scope = Scope()
    needs_proof: bool = False


async def find_issuer(world: World, url: str, refusal: Response, trusted: Collection[str] = ()) -> ApiFound:
    """Ask an API whose tokens it takes. Only the origin that the person named is asked; no issuer is.

    Args:
        url: What was called.
        refusal: The API's answer, without a token.
        trusted: Issuers that the person has named or used: these may be anywhere, others neither on this machine nor
            in a private network (RFC 9728 §7.7).

    Raises:
        Malformed: With code `metadata-missing` the API does not say; else what it says must not be used.
        Unreachable: Nobody answers.
    """
    url = url.partition("#")[0]
    found = await _find_metadata(world, url, refusal)
    usable = [issuer for issuer in found.authorization_servers if _may_ask(issuer, url, trusted)]
    if not usable:
        raise Malformed(
            "the API names no issuer that may be asked" if found.authorization_servers else "the API names no issuer",
            field="authorization_servers",
            hint="If you know the issuer, add --trust-issuer URL, exactly as the API names it.",
        )
    issuers = sorted(usable, key=lambda issuer: issuer not in trusted)
    return ApiFound(found.resource, tuple(issuers), _scope_of(refusal, found), found.dpop_bound_access_tokens_required)


def resources_of(url: str) -> Iterator[str]:
    """The identifiers that an address may be a part of, the nearest first."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for _ in range(_DEEPEST):
        if not path:
            break
        yield f"{parts.scheme}://{parts.netloc}{path}"
        path = path.rpartition("/")[0]
    yield f"{parts.scheme}://{parts.netloc}"


def covers(resource: str, url: str) -> bool:
    """Whether an address is a part of an API: of the same origin, and below its path."""
    parts, path = urlsplit(resource), urlsplit(url).path
    if not origin_of(resource) or origin_of(resource) != origin_of(url) or parts.query or parts.fragment:
        return False
    if ".." in unquote(path).replace("\\", "/").split("/"):
        return False  # servers do not agree on where that leads
    above = parts.path.rstrip("/")
    return path.rstrip("/") == above or path.startswith(f"{above}/")


def profile_name(resource: str) -> str:
    """The name under which an API's login is kept: one API, one login, one token (RFC 9728 §7.4)."""
    parts = urlsplit(resource)
    readable = _UNFIT.sub("-", parts.netloc.lower())
    is_whole = not parts.path.strip("/") and not parts.query and len(readable) <= 40
    # Two APIs never share a name: what a name cannot hold is in the hash.
    name = readable if is_whole else f"{readable[:27]}-{hashlib.sha256(resource.encode()).hexdigest()[:12]}"
    try:
        check_name(name)
    except Misuse:
        return f"api-{hashlib.sha256(resource.encode()).hexdigest()[:12]}"
    return name


async def _find_metadata(world: World, url: str, refusal: Response) -> ResourceMetadata:
    """The API's metadata: at the address that it names, else at the well-known ones.

    Raises:
        Malformed: It has none, or it is another's.
        Unreachable: Nobody answers at the address that it names.
    """
    named = next(_named_by(refusal), None)
    if named is not None:
        if not is_safe(named) or origin_of(named) != origin_of(url):
            raise Malformed("the API's metadata is said to lie elsewhere; nobody was asked", field="resource_metadata")
        found = await _get(world, named)
        return _judge(found, named, url)
    for place in dict.fromkeys(map(well_known_resource, resources_of(url))):
        try:
            found = await _get(world, place)
        except Malformed:
            continue
        return _judge(found, place, url)
    return _say_missing()


def _named_by(refusal: Response) -> Iterator[str]:
    for challenge in Challenge.read_all(refusal.header_values("www-authenticate")):
        if place := challenge.parameters.get("resource_metadata"):
            yield place


async def _get(world: World, place: str) -> Fields:
    """A document.

    Raises:
        Malformed: There is none; a redirect counts as none.
    """
    response = await world.send(Request("GET", place, (("accept", JSON),)))
    if response.status != _OK or len(response.body) > LARGEST:
        _say_missing()
    return read_json(response.body, "metadata")


def _say_missing() -> NoReturn:
    """Nothing usable is there.

    Raises:
        Malformed: Always.
    """
    raise Malformed("the API does not say whose tokens it takes", code="metadata-missing")


def _judge(found: Fields, place: str, url: str) -> ResourceMetadata:
    """The metadata, if it is of the API that was called (§3.3).

    That is: of the very address that was called, or of one above it whose own well-known address this is. Then it is
    the document that would have been found without being told, and nothing was believed.

    Raises:
        Malformed: It is of another.
    """
    resource = found.text("resource")
    # DEVIATION: RFC 9728 §3.3 wants the address that was called where a challenge names this; one above it will do.
    is_own = resource == url or (covers(resource, url) and well_known_resource(resource) == place)
    if not is_own:
        raise Malformed("the metadata is of another API than the one that was called; not used", field="resource")
    return ResourceMetadata.read(found, resource=resource)


def _may_ask(issuer: str, url: str, trusted: Collection[str]) -> bool:
    if not is_safe(issuer) or "?" in issuer or "#" in issuer:
        return False
    same_host = urlsplit(issuer).hostname == urlsplit(url).hostname
    return issuer in trusted or same_host or is_public(issuer) or (is_loopback(issuer) and is_loopback(url))


def _scope_of(refusal: Response, found: ResourceMetadata) -> Scope:
    """What to ask for. Nobody's words are worth a failure here: the API will say what is missing."""
    try:
        return Scope.read(challenge_of(refusal).get("scope", "")) or Scope.read(" ".join(found.scopes_supported))
    except Malformed:
        return Scope()
