"""Decide when a signing key is announced, signs, is retired and is gone (RFC 7517 §5, OpenID Connect Core §10.1.1).

A key's stage is computed from the times that are stored with the key, so all nodes agree without communication.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.jose.algorithms import Algorithm
from keyfob.server.records import StoredKey
from keyfob.server.settings.config import TenantConfig

Stage = Literal["announced", "signing", "retired", "gone"]
# How long an API may cache the keys and still have each key before the key signs. keyfob's guard caches keys for a
# day at most, Auth0's SDK for Node for ten hours.
LONGEST_CACHE: Final = timedelta(days=1)
# For clock skew, nodes that have not read the keys yet, and APIs that accept a token shortly after its expiry.
MARGIN: Final = timedelta(hours=1)
ANNOUNCED_FOR: Final = LONGEST_CACHE + MARGIN


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes to make to the stored keys now.

    Attributes:
        made: The algorithms that need a new key, each with the time from which the new key signs.
        dropped: The ids of the keys to delete.
        changed: The keys to save, with their new times.
    """

    made: tuple[tuple[Algorithm, datetime], ...] = ()
    dropped: tuple[str, ...] = ()
    changed: tuple[StoredKey, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made or self.dropped or self.changed)


def _order(key: StoredKey) -> tuple[datetime, datetime, str]:
    return key.signs_at, key.created_at, key.key_id


def _own(keys: Iterable[StoredKey], algorithm: Algorithm) -> list[StoredKey]:
    return sorted((key for key in keys if key.algorithm == algorithm), key=_order)


def succeeded_at(key: StoredKey, keys: Iterable[StoredKey]) -> datetime | None:
    """Return when the next key of the same algorithm begins to sign, or None if there is no such key yet."""
    later = [one for one in _own(keys, key.algorithm) if _order(one) > _order(key)]
    return later[0].signs_at if later else None


def gone_at(key: StoredKey, keys: Iterable[StoredKey]) -> datetime | None:
    """Return when the key's last token will have expired, or None if the key has no successor yet."""
    end = succeeded_at(key, keys)
    return None if end is None else end + key.longest_token + MARGIN


def stage_of(key: StoredKey, keys: Iterable[StoredKey], now: datetime) -> Stage:
    """Return the stage of a key.

    The first key of an algorithm signs even before its `signs_at`, since there is no other key. This can happen on a
    node whose clock is slow, if another node has created the key.
    """
    own = _own(keys, key.algorithm)
    keys = tuple(own)
    if now < key.signs_at and _order(key) > _order(own[0]):
        return "announced"
    end, gone = succeeded_at(key, keys), gone_at(key, keys)
    if end is None or now < end:
        return "signing"
    return "retired" if gone is None or now < gone else "gone"


def published(keys: Sequence[StoredKey], now: datetime) -> tuple[StoredKey, ...]:
    """Return the keys that the JWKS contains now, the newest first."""
    found = [key for key in keys if stage_of(key, keys, now) != "gone"]
    return tuple(sorted(found, key=_order, reverse=True))


def signers(keys: Sequence[StoredKey], now: datetime) -> Mapping[Algorithm, StoredKey]:
    """Return the key that signs now for each algorithm. An algorithm without a key is left out."""
    return {key.algorithm: key for key in keys if stage_of(key, keys, now) == "signing"}


def longest_tokens(config: TenantConfig) -> dict[Algorithm, timedelta]:
    """Return the signing algorithms of a tenant, each with the longest lifetime of its tokens."""
    found: dict[Algorithm, timedelta] = {"RS256": max(
        (config.mfa_api.token_lifetime, *(one.id_token_lifetime for one in config.applications)),
    )}  # fmt: skip
    for api in config.apis:
        found[api.algorithm] = max(found.get(api.algorithm, timedelta()), api.token_lifetime)
    return found


def due_changes(
    keys: Sequence[StoredKey], longest: Mapping[Algorithm, timedelta], every: timedelta, now: datetime
) -> Changes:
    """Return the changes that are due now.

    - An algorithm without a key gets its first key, which signs at once.
    - An old key gets a successor, which is announced before it signs.
    - A key whose tokens have all expired is deleted.
    - If the tokens of an algorithm may now live longer than a key states, the key's `longest_token` is raised.

    Args:
        keys: All stored keys.
        longest: The algorithms in use, each with the longest lifetime of its tokens.
        every: The age at which a key gets a successor; zero if age is no reason for a successor.
        now: The current time, aware, UTC.
    """
    made: list[tuple[Algorithm, datetime]] = []
    for algorithm in sorted(longest):
        own = _own(keys, algorithm)
        if not own:
            made.append((algorithm, now))
        elif every and now >= own[-1].signs_at + every - ANNOUNCED_FOR:
            made.append((algorithm, now + ANNOUNCED_FOR))
    stages = {key.key_id: stage_of(key, keys, now) for key in keys}
    grown = tuple(
        replace(key, longest_token=longest[key.algorithm])
        for key in keys
        if stages[key.key_id] in {"announced", "signing"}
        and key.longest_token < longest.get(key.algorithm, timedelta())
    )
    return Changes(tuple(made), tuple(name for name, stage in stages.items() if stage == "gone"), grown)


def next_change(keys: Sequence[StoredKey], every: timedelta, now: datetime) -> datetime | None:
    """Return the next time at which a key changes its stage or needs a successor.

    The result is None if there is no such time.
    """
    times = [step.at for step in timeline(keys, now)]
    if every:
        times += [key.signs_at + every - ANNOUNCED_FOR for key in keys]
    return min((at for at in times if at > now), default=None)


def rotation(
    keys: Sequence[StoredKey], algorithms: Iterable[Algorithm], now: datetime, *, at_once: bool = False
) -> Changes:
    """Return the changes that give each algorithm its next key.

    - If a key of the algorithm is announced already, it is the next key. Without `at_once`, it signs when it is due, so
      nothing changes. With `at_once`, it begins to sign now.
    - Otherwise, a new key is made. Without `at_once`, it is announced now. With `at_once`, it begins to sign now.
    """
    made: list[tuple[Algorithm, datetime]] = []
    changed: list[StoredKey] = []
    for algorithm in sorted(algorithms):
        waiting = [key for key in _own(keys, algorithm) if now < key.signs_at]
        if not waiting:
            made.append((algorithm, now if at_once else now + ANNOUNCED_FOR))
        elif at_once:
            changed.append(replace(waiting[0], signs_at=now))
    return Changes(tuple(made), changed=tuple(changed))


def revocation(keys: Sequence[StoredKey], key_id: str, now: datetime) -> Changes:
    """Return the changes that remove a key at once.

    If the removed key was signing, another key of its algorithm begins to sign now: the announced key if there is one,
    otherwise a new key.
    """
    [key] = [key for key in keys if key.key_id == key_id]
    others = [one for one in keys if one.key_id != key_id]
    succession = Changes()
    if stage_of(key, keys, now) == "signing":
        succession = rotation(others, (key.algorithm,), now, at_once=True)
    gone = (one.key_id for one in others if stage_of(one, keys, now) == "gone")
    return replace(succession, dropped=(key_id, *gone))


@dataclass(frozen=True, slots=True)
class Step:
    """The time at which a key changes to a stage."""

    at: datetime
    key_id: str
    algorithm: Algorithm
    stage: Stage


def timeline(keys: Sequence[StoredKey], now: datetime) -> tuple[Step, ...]:
    """Return all future changes of the keys' stages, sorted by time."""
    found: list[Step] = []
    for key in keys:
        steps: tuple[tuple[datetime | None, Stage], ...] = (
            (key.created_at, "announced"), (key.signs_at, "signing"), (succeeded_at(key, keys), "retired"),
            (gone_at(key, keys), "gone"),
        )  # fmt: skip
        found += [Step(at, key.key_id, key.algorithm, stage) for at, stage in steps if at is not None and at >= now]
    return tuple(sorted(found, key=lambda step: (step.at, step.algorithm, step.key_id)))


def unknown_until(key: StoredKey, cache: timedelta) -> datetime | None:
    """Return the time until which an API's cached JWKS can lack a key that already signs.

    The API caches the JWKS for `cache`. The result is None if every such cached JWKS has the key before the key signs.
    """
    known = key.created_at + cache
    return known if known > key.signs_at else None
