"""The state of a running tenant for its endpoints: settings, keys, store, and counters in the memory of the node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final, Generic, TypeVar

from keyfob.jose.keys import SigningKey
from keyfob.protocol.http import Request, Response
from keyfob.server.audit_event import LIMIT_CODES, log_id_of, shown_client, shown_name, write_event
from keyfob.server.decide import limits
from keyfob.server.decide.device import Pace
from keyfob.server.decide.passkey import relying_party
from keyfob.server.decide.throttle import Failures, network_of
from keyfob.server.issue import TokenIssuer
from keyfob.server.keyed_hash import HashKeys
from keyfob.server.keyring import TenantKeys
from keyfob.server.ports import Audit, Draw, Limit, Locate, Mailer, Meter, Passwords, Render, Store, TimeAndRandom
from keyfob.server.records import Factor
from keyfob.server.settings.config import TenantConfig
from keyfob.server.wire import Outcome, answer

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_LIMIT_NOTED_EVERY: Final = timedelta(minutes=1)


class LimitedDict(Generic[K, V]):
    """A dict of limited size. It drops its oldest entries, so that unauthenticated callers cannot fill the memory."""

    def __init__(self, most: int = limits.REMEMBERED) -> None:
        self._entries: dict[K, V] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries.pop(key, None)  # so that the entry becomes the newest
        self._entries[key] = value
        while len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def values(self) -> tuple[V, ...]:
        return tuple(self._entries.values())


def locate_nothing(path: str, address: str) -> str:
    """Return "", as for an unknown city. This function is used if no MaxMind DB file is set up."""
    del path, address
    return ""


class Unmeasured:
    """A meter that counts nothing."""

    def request(self, path: str, status: int, seconds: float) -> None: ...

    def token(self, grant: str, response: Response) -> None: ...

    def limited(self, limit: Limit) -> None: ...

    def guessed(self, odds: float) -> None: ...


@dataclass(slots=True)
class Readiness:
    """Whether the store can be used.

    Attributes:
        reason: The code of the failure; "" if the last check found none.
        checked_at: The time at which the last check ended; None before the first check.
        checking_since: The time at which the present check began; None if no check is under way.
    """

    reason: str = "starting"
    checked_at: datetime | None = None
    checking_since: datetime | None = None


@dataclass(slots=True)
class Site:
    """The dependencies and the state of the endpoints.

    Attributes:
        tenant_keys: The signing keys, and the keys derived for each purpose.
        mailer: The sender of e-mail; None if e-mail is not set up.
        paces: The polling state of each pending device login, by the hash of its device code.
        device_requests: For each network, the time at which its limit of device requests is unused again. The times
            are the `full_at` of `decide/throttle.py`.
        client_failures: The number of wrong client secrets, by client and network.
        endpoint_requests: For each endpoint and network, the time at which the network's limit of requests is unused
            again, as in `device_requests`.
        node: The name of this process in the ids of its events.
        limits_noted: The time of the last audit event about a limit, by the limit's name and the network.
        meter: The meter for metrics. The default meter counts nothing.
        readiness: The last check of the store for /readyz.
        later: The functions to run after the response was sent.
        locate: The function that looks up the city and country of an IP address in a MaxMind DB file.
        hash_keys: The derived keys of `tenant_keys`.
        token_issuer: The issuer of tokens, with the current signing key of each algorithm.
    """

    config: TenantConfig
    tenant_keys: TenantKeys
    store: Store
    surroundings: TimeAndRandom
    passwords: Passwords
    render: Render
    audit: Audit
    mailer: Mailer | None
    draw: Draw
    paces: LimitedDict[bytes, Pace] = field(default_factory=LimitedDict[bytes, Pace])
    device_requests: LimitedDict[str, int] = field(default_factory=LimitedDict[str, int])
    client_failures: LimitedDict[tuple[str, str], Failures] = field(
        default_factory=LimitedDict[tuple[str, str], Failures]
    )
    endpoint_requests: LimitedDict[tuple[str, str], int] = field(default_factory=LimitedDict[tuple[str, str], int])
    node: str = ""
    limits_noted: LimitedDict[tuple[str, str], datetime] = field(default_factory=LimitedDict[tuple[str, str], datetime])
    event_numbers: count[int] = field(default_factory=count)
    meter: Meter = field(default_factory=Unmeasured)
    readiness: Readiness = field(default_factory=Readiness)
    later: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])
    locate: Locate = locate_nothing
    hash_keys: HashKeys = field(init=False)
    token_issuer: TokenIssuer = field(init=False)

    def __post_init__(self) -> None:
        self.hash_keys = self.tenant_keys.hashing
        self.token_issuer = TokenIssuer(self.config, self.tenant_keys.signers, self.hash_keys.opaque[0])

    def reconfigure(self, config: TenantConfig, keys: TenantKeys) -> None:
        """Replace the settings and the keys. Pending logins continue with the new settings and keys."""
        self.config, self.tenant_keys = config, keys
        self.__post_init__()

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """The published signing keys, the newest first."""
        return self.tenant_keys.published

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The second factors that the MFA API can enrol: e-mail only with a mailer, and never passkeys."""
        absent = {"passkey"} if self.mailer is not None else {"passkey", "email"}
        return tuple(one for one in self.config.factors if one not in absent)

    @property
    def rp_id(self) -> str:
        """The RP ID for passkeys; "" if the settings disable passkeys or browsers refuse passkeys for this issuer."""
        return relying_party(self.config.issuer) if "passkey" in self.config.factors else ""

    @property
    def may_sign_up(self) -> bool:
        """Whether people may create accounts. A mailer is required, since e-mail addresses are verified."""
        return self.config.sign_up and self.mailer is not None

    def now(self) -> datetime:
        return self.surroundings.now()

    def place_of(self, address: str) -> str:
        """Return the city and country of an IP address as text; "" if unknown, or if no MaxMind DB file is set up."""
        return self.locate(self.config.places, address) if self.config.places and address else ""

    def random(self, size: int) -> bytes:
        return self.surroundings.random(size)

    def refuse(self, outcome: Outcome, **words: str) -> Response:
        """Return the response for an outcome in `server/wire.py`, in this tenant's dialect."""
        return answer(self.config.wire, outcome, words=words)

    def note(self, code: str, request: Request, **fields: str) -> None:
        """Write an event of a request to the audit log.

        Args:
            code: The code of the event, one of `audit_event.CODES`.
            request: The request that caused the event.
            fields: The members of the event (`audit_event.MEMBERS`), without secrets.
        """
        fields |= {
            "ip": request.peer,
            "user_agent": request.header("user-agent") or "",
            "request_id": request.request_id,
        }
        if "client_id" in fields:
            client_id = fields["client_id"]
            fields["client_id"] = shown_client(client_id, is_known=self.config.application(client_id) is not None)
        if "user_name" in fields:
            fields["user_name"] = shown_name(fields["user_name"])
        self._record(code, fields)

    def after_response(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a function after the response was sent, so that the response time does not reveal the function's work."""
        self.later.append(work)

    def limited(self, limit: Limit, request: Request, *, code: str = "", **fields: str) -> None:
        """Count a request that a limit refused, and write an audit event.

        For each limit and network, at most one event a minute is written, so that a flood does not fill the log.
        """
        self.meter.limited(limit)
        key, now = (limit, network_of(request.peer)), self.now()
        last = self.limits_noted.get(key)
        if last is None or abs(now - last) >= _LIMIT_NOTED_EVERY:
            self.limits_noted.put(key, now)
            self.note(code or LIMIT_CODES[limit], request, **fields, description=limit)

    def record(self, code: str, **fields: str) -> None:
        """Write an event to the audit log. Use this method for events without a request, and `note` for the others."""
        self._record(code, fields)

    def _record(self, code: str, fields: Mapping[str, str]) -> None:
        now = self.now()
        self.audit(write_event(code, now, log_id_of(now, self.node, next(self.event_numbers)), fields))
