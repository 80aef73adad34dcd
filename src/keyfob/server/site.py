"""A running tenant as its endpoints see it: configuration, keys, store, and the small memory of a node."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.device import Pace
from keyfob.server.decide.throttle import Bucket, Failures
from keyfob.server.issue import Mint
from keyfob.server.keyed_hash import HashKeys
from keyfob.server.ports import Audit, Draw, Mailer, Passwords, Render, Store, Surroundings
from keyfob.server.settings.config import TenantConfig
from keyfob.server.wire import Outcome, answer

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_REMEMBERED: Final = 100_000


class Memory(Generic[K, V]):
    """A table that forgets: the oldest entries go when it is full, so that no stranger can fill the machine."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        """Empty."""
        self._entries: dict[K, V] = {}
        self._most = most

    def get(self, key: K) -> V | None:
        """What is known, or None."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember; the newest stays longest."""
        self._entries.pop(key, None)
        self._entries[key] = value
        while len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def drop(self, key: K) -> None:
        """Forget one."""
        self._entries.pop(key, None)


@dataclass(slots=True)
class Site:
    """All that an endpoint needs.

    Attributes:
        keys: Newest first; the first one signs.
        paces: How each waiting program polls.
        guesses: Tries left to enter a code, by address; "" is everybody together.
        asked: Device requests left, by address.
        failures: Wrong passwords and secrets, by account and address.
        accounts: Tries left at one account, from everywhere.
        factor_tries: Second factors left to try, by person.
        calls: Requests left, by endpoint and address.
        mint: What signs.
    """

    config: TenantConfig
    hash_keys: HashKeys
    keys: tuple[SigningKey, ...]
    store: Store
    surroundings: Surroundings
    passwords: Passwords
    render: Render
    audit: Audit
    mailer: Mailer
    draw: Draw
    paces: Memory[bytes, Pace] = field(default_factory=Memory[bytes, Pace])
    guesses: Memory[str, Bucket] = field(default_factory=Memory[str, Bucket])
    asked: Memory[str, Bucket] = field(default_factory=Memory[str, Bucket])
    failures: Memory[tuple[str, str], Failures] = field(default_factory=Memory[tuple[str, str], Failures])
    accounts: Memory[str, Bucket] = field(default_factory=Memory[str, Bucket])
    factor_tries: Memory[str, Bucket] = field(default_factory=Memory[str, Bucket])
    calls: Memory[tuple[str, str], Bucket] = field(default_factory=Memory[tuple[str, str], Bucket])
    mint: Mint = field(init=False)

    def __post_init__(self) -> None:
        """Choose what signs: the newest key of each algorithm."""
        newest: dict[Algorithm, SigningKey] = {key.algorithm: key for key in reversed(self.keys)}
        self.mint = Mint(self.config, newest, self.hash_keys.opaque)

    def reconfigure(self, config: TenantConfig, keys: tuple[SigningKey, ...]) -> None:
        """Go on with other settings; what is under way goes on with them too."""
        self.config, self.keys = config, keys
        self.__post_init__()

    def now(self) -> datetime:
        """Aware, UTC."""
        return self.surroundings.now()

    def refuse(self, outcome: Outcome, **words: str) -> Response:
        """An outcome in this tenant's dialect."""
        return answer(self.config.wire, outcome, words=words)

    def note(self, code: str, request: Request, **more: str) -> None:
        """Tell the audit log; `code` is Auth0's (`sede`, `fede`, ...). Never given a secret."""
        event: dict[str, object] = {"type": code, "date": self.now().isoformat(), "ip": request.peer}
        agent = request.header("user-agent") or ""
        self.audit({**event, "user_agent": neutral(agent), **{name: neutral(value) for name, value in more.items()}})


def neutral(text: str) -> str:
    """A stranger's text, fit for one line of a log."""
    short = text[:200]
    return short if short.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in short)
