"""Find an API's authorization server from the API's address, by protected resource metadata (RFC 9728 §3, §5)."""

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
_MAX_DEPTH: Final = 5
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class ApiFound:
    """The parts of an API's metadata that a login uses.

    Attributes:
        resource: The API's resource identifier (RFC 8707 §2).
        issuers: The API's authorization servers that may be contacted, trusted ones first; never empty.
        scope: The scope to request: the challenge's `scope`, or else all scopes in the metadata.
        needs_proof: Whether the API accepts only DPoP-bound tokens (RFC 9449).
    """

    resource: str
    issuers: tuple[str, ...]
    scope: Scope = Scope()
    needs_proof: bool = False


async def find_issuer(world: World, url: str, refusal: Response, trusted: Collection[str] = ()) -> ApiFound:
    """Fetch the metadata of an API. Requests go only to the origin of `url`, not to any issuer.

    Args:
        url: The address that was called.
        refusal: The API's response to a request without a token.
        trusted: Issuers that the user has named or used before. They may have any address. Every other issuer is left
            out if it is on this machine or in a private network (RFC 9728 §7.7).

    Raises:
        Malformed: There is no metadata (code `metadata-missing`), or it is not valid for this API.
        Unreachable: There is no response.
    """
    url = url.partition("#")[0]
    found = await _find_metadata(world, url, refusal)
    usable = [issuer for issuer in found.authorization_servers if _may_contact(issuer, url, trusted)]
    if not usable:
        raise Malformed(
            "the API names no issuer to which a request is allowed"
            if found.authorization_servers
            else "the API names no issuer",
            field="authorization_servers",
            hint="If you trust the issuer, name it exactly as the API does.",
            flags="--trust-issuer URL",
        )
    issuers = sorted(usable, key=lambda issuer: issuer not in trusted)
    return ApiFound(found.resource, tuple(issuers), _scope_of(refusal, found), found.dpop_bound_access_tokens_required)


def resources_of(url: str) -> Iterator[str]:
    """Yield the resource identifiers that may cover an address, the longest first."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for _ in range(_MAX_DEPTH):
        if not path:
            break
        yield f"{parts.scheme}://{parts.netloc}{path}"
        path = path.rpartition("/")[0]
    yield f"{parts.scheme}://{parts.netloc}"


def covers(resource: str, url: str) -> bool:
    """Return whether an address has the resource's origin and is at or below the resource's path."""
    parts, path = urlsplit(resource), urlsplit(url).path
    if not origin_of(resource) or origin_of(resource) != origin_of(url) or parts.query or parts.fragment:
        return False
    if ".." in unquote(path).replace("\\", "/").split("/"):
        return False  # servers resolve such paths differently
    above = parts.path.rstrip("/")
    return path.rstrip("/") == above or path.startswith(f"{above}/")


def profile_name(resource: str) -> str:
    """Return the profile name for an API's login. Each API has a separate login and token (RFC 9728 §7.4)."""
    parts = urlsplit(resource)
    readable = _NOT_IN_NAMES.sub("-", parts.netloc.lower())
    is_whole = not parts.path.strip("/") and not parts.query and len(readable) <= 40
    # The hash covers the parts that a name cannot contain, so two APIs never share a name.
    name = readable if is_whole else f"{readable[:27]}-{hashlib.sha256(resource.encode()).hexdigest()[:12]}"
    try:
        check_name(name)
    except Misuse:
        return f"api-{hashlib.sha256(resource.encode()).hexdigest()[:12]}"
    return name


async def _find_metadata(world: World, url: str, refusal: Response) -> ResourceMetadata:
    """Return the metadata at the address in the challenge, or else at a well-known address.

    Raises:
        Malformed: There is no metadata, or it belongs to another API.
        Unreachable: The address in the challenge does not answer.
    """
    named = next(_named_by(refusal), None)
    if named is not None:
        if not is_safe(named) or origin_of(named) != origin_of(url):
            raise Malformed("the API refers to metadata on another host; it was not fetched", field="resource_metadata")
        found = await _get(world, named)
        return _check(found, named, url)
    for address in dict.fromkeys(map(well_known_resource, resources_of(url))):
        try:
            found = await _get(world, address)
        except Malformed:
            continue
        return _check(found, address, url)
    return _say_missing()


def _named_by(refusal: Response) -> Iterator[str]:
    for challenge in Challenge.read_all(refusal.header_values("www-authenticate")):
        if address := challenge.parameters.get("resource_metadata"):
            yield address


async def _get(world: World, address: str) -> Fields:
    """Fetch a metadata document. Redirects are not followed.

    Raises:
        Malformed: The address redirects, or has no JSON document of acceptable size.
    """
    response = await world.send(Request("GET", address, (("accept", JSON),)))
    if response.status != 200 or len(response.body) > LARGEST:
        _say_missing()
    return read_json(response.body, "metadata")


def _say_missing() -> NoReturn:
    raise Malformed("the API does not say which issuer it trusts", code="metadata-missing")


def _check(found: Fields, address: str, url: str) -> ResourceMetadata:
    """Return the metadata if it belongs to the API that was called (§3.3).

    The metadata's `resource` must be the called address or a parent of it. A parent is accepted only if the metadata
    was fetched from the parent's own well-known address. Without a challenge, discovery would fetch that address too.

    Raises:
        Malformed: The metadata belongs to another API.
    """
    resource = found.text("resource")
    # DEVIATION: For metadata that a challenge names, RFC 9728 §3.3 allows only the called URL; a parent is allowed too.
    is_own = resource == url or (covers(resource, url) and well_known_resource(resource) == address)
    if not is_own:
        raise Malformed(
            "the metadata describes another API than the one that was called, so it was not used", field="resource"
        )
    return ResourceMetadata.read(found, resource=resource)


def _may_contact(issuer: str, url: str, trusted: Collection[str]) -> bool:
    if not is_safe(issuer) or "?" in issuer or "#" in issuer:
        return False
    same_host = urlsplit(issuer).hostname == urlsplit(url).hostname
    return issuer in trusted or same_host or is_public(issuer) or (is_loopback(issuer) and is_loopback(url))


def _scope_of(refusal: Response, found: ResourceMetadata) -> Scope:
    """Return the scope to request: the challenge's, or else the scopes in the metadata.

    If that scope is malformed, return an empty scope. The API's next challenge then names the missing scope.
    """
    try:
        return Scope.read(challenge_of(refusal).get("scope", "")) or Scope.read(" ".join(found.scopes_supported))
    except Malformed:
        return Scope()
