"""Two nodes share one store: whoever turns from one to the other has no more tries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from keyfob.protocol.http import Response
from keyfob.serve import Tenant
from keyfob.testing.example_tenant import example_config
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.scene import ISSUER, Scene, quick_passwords
from tests.server.wires import stored, with_password


@pytest.fixture
def nodes() -> tuple[Scene, Scene]:
    """Two nodes of one tenant: the second has the store, keys and clock of the first, and a memory of its own."""
    first = Scene(replace(example_config(ISSUER), allows_password=True))
    second = object.__new__(Scene)
    second.__dict__.update(first.__dict__)
    site = first.tenant._site
    passwords, own = quick_passwords(), dict[str, object]()
    for name in ("config", "tenant_keys", "store", "surroundings", "render", "audit", "mailer", "draw"):
        own[name] = getattr(site, name)
    second.tenant = Tenant(type(site)(**own, passwords=passwords))  # type: ignore[arg-type]
    second.pair = Pair({first.config.origin: second.tenant.app}, peer="192.0.2.7")
    return first, second


def in_turn(nodes: tuple[Scene, Scene], number: int, **parameters: str) -> Response:
    return with_password(nodes[number % 2], **parameters)


@pytest.mark.parametrize("name", ["person@example.com", "nobody@example.com"])
def test_wrong_passwords_count_on_both_whether_or_not_the_name_is_known(nodes: tuple[Scene, Scene], name: str) -> None:
    """[FS-07] [AS-NIST-01]: else a name that has twice the tries at two nodes is no user's."""
    statuses = [in_turn(nodes, number, username=name, password="wrong").status for number in range(7)]
    assert statuses == [403] * 5 + [429] * 2


def test_spraying_from_one_network_counts_on_both(nodes: tuple[Scene, Scene]) -> None:
    """[FS-07]."""
    statuses = [in_turn(nodes, at, username=f"n{at}@example.com", password="wrong").status for at in range(102)]
    assert statuses == [403] * 100 + [429] * 2


def test_wrong_user_codes_count_on_both(nodes: tuple[Scene, Scene]) -> None:
    """[AS-8628-07]."""
    people = [Person(node.pair.send) for node in nodes]
    seen: list[int] = []
    for number in range(4):
        person = people[number % 2]
        person.open(f"{ISSUER}activate")
        person.press(user_code=f"BCDF-GHJ{'KLMN'[number]}")
        seen.append(person.page.status)
    assert seen == [400] * 3 + [429]


def test_guesses_at_once_are_all_counted(nodes: tuple[Scene, Scene]) -> None:
    """[AS-8628-07]: the budget is looked at and taken in one transaction."""
    first, _ = nodes

    async def guess(number: int) -> None:
        person = Person(first.pair.send)
        await asyncio.to_thread(person.open, f"{ISSUER}activate?user_code=BCDF-GHJ{'KLMNPQRS'[number]}")

    async def all_at_once() -> None:
        await asyncio.gather(*(guess(number) for number in range(8)))

    asyncio.run(all_at_once())
    counted = [event for event in first.events if event.get("description") == "code unknown"]
    assert len(counted) == 3
    assert len(stored(first)["tries"]) == 2
