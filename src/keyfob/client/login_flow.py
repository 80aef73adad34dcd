"""A whole login: find the server, let the person decide, judge who it was (RFC 8628, OpenID Connect Core §3.1.3)."""

from __future__ import annotations

from keyfob.client import browser_flow, device_flow
from keyfob.client.asks import Flow, now, tell
from keyfob.client.discover import discover
from keyfob.client.held import Held
from keyfob.client.id_token import check
from keyfob.client.notices import ScopeNarrowed
from keyfob.client.profile import Profile
from keyfob.protocol.device import DeviceRequest
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.target import Target
from keyfob.protocol.tokens import TokenAnswer


def begin(profile: Profile) -> Flow[tuple[ServerMetadata, device_flow.PendingLogin]]:
    """Find the server and show the person a code. Raises as `discover` and `device_flow.begin` do."""
    metadata = yield from discover(profile.issuer)
    request = DeviceRequest(profile.client_id, profile.scope, Target(profile.audience))
    return metadata, (yield from device_flow.begin(metadata, request))


def finish(profile: Profile, metadata: ServerMetadata, pending: device_flow.PendingLogin) -> Flow[Held]:
    """Wait for the person and judge what comes. Raises as `device_flow.finish` and `id_token.check` do."""
    answer = yield from device_flow.finish(pending)
    return (yield from _judge(profile, metadata, answer))


def log_in(profile: Profile) -> Flow[Held]:
    """From nothing to tokens that may be kept."""
    metadata, pending = yield from begin(profile)
    return (yield from finish(profile, metadata, pending))


def log_in_by_browser(profile: Profile, ports: tuple[int, ...] = ()) -> Flow[Held]:
    """The same through this machine's browser. Raises as `discover`, `browser_flow.log_in` and `id_token.check` do."""
    metadata = yield from discover(profile.issuer)
    came = yield from browser_flow.log_in(metadata, profile, ports)
    return (yield from _judge(profile, metadata, came.answer, came.nonce))


def _judge(profile: Profile, metadata: ServerMetadata, answer: TokenAnswer, nonce: str | None = None) -> Flow[Held]:
    who = None
    if answer.id_token is not None:
        who = yield from check(answer.id_token, metadata, profile.client_id, nonce)
    held = Held.of(answer, metadata, profile, who, (yield from now()).wall)
    missing = profile.scope - held.scope
    if missing:
        yield from tell(ScopeNarrowed(tuple(sorted(missing.names))))
    return held
