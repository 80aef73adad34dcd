"""Count the tries of second factors and the e-mails with codes, in the store (NIST SP 800-63B-4 §3.2.2)."""

from __future__ import annotations

from datetime import datetime, timedelta

from keyfob.server.decide.multifactor import TRIES, TRY_BACK_AFTER
from keyfob.server.decide.throttle import (
    ACCOUNT_TRIES,
    ACCOUNT_TRY_BACK_AFTER,
    KNOWN_NETWORK,
    MESSAGE_PAUSE,
    MESSAGES,
    MESSAGES_OF_LOGIN,
    MESSAGES_OF_NETWORK,
    MESSAGES_SPAN,
    network_of,
)
from keyfob.server.endpoints.budget import Budget
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import MfaLogin, Tries
from keyfob.server.site import Site


async def has_tries(site: Site, transaction: Transaction, user_id: str, peer: str, now: datetime) -> bool:
    """Return whether a second factor of the user may be tried from this address.

    The tries for one user have two limits: one for each network, and one for all networks together. A network from
    which the user has proven a factor is exempt from the second limit, so that wrong codes from elsewhere do not lock
    the user out.
    """
    own, everybody = _budgets(site, user_id, peer)
    if await own.wait(transaction, now):
        return False
    proven = await transaction.tries(_key(site, f"proven {user_id} {network_of(peer)}"))
    is_limited = proven is None or now >= proven.expires_at
    return not (is_limited and await everybody.wait(transaction, now))


async def spend_try(site: Site, user_id: str, peer: str, now: datetime) -> bool:
    """Count a try of a second factor, and return True. If no try is left, count nothing and return False."""

    async def work(transaction: Transaction) -> bool:
        if not await has_tries(site, transaction, user_id, peer, now):
            return False
        for budget in _budgets(site, user_id, peer):
            await budget.spend(transaction, now)
        return True

    return await site.store.write(work)


async def give_back_tries(site: Site, user_id: str, peer: str, now: datetime) -> None:
    """Reset the limits after the user has proven a factor.

    - The tries from this network are forgotten.
    - The pause before the next e-mail ends.
    - The right try no longer counts towards the limit for all networks together.
    - For the time `KNOWN_NETWORK`, this network is exempt from the limit for all networks together.
    """
    own, everybody = _budgets(site, user_id, peer)
    proven = _key(site, f"proven {user_id} {network_of(peer)}")

    async def work(transaction: Transaction) -> None:
        await everybody.give_back(transaction, now)
        await transaction.save_tries(Tries(proven, 1, now, now + KNOWN_NETWORK))
        await transaction.drop_tries(own.key)
        await transaction.drop_tries(_key(site, f"messages pause {user_id}"))

    await site.store.write(work)


async def message_wait(site: Site, login: MfaLogin, peer: str) -> timedelta:
    """Return how long a login must wait before it may send an e-mail with a code.

    If the time is zero, the e-mail is counted as sent. Otherwise, nothing is counted.
    """
    now, user_id = site.now(), login.user_id
    of_login, of_pause = _key(site, f"messages login {login.token_hash.hex()}"), _key(site, f"messages pause {user_id}")
    of_user = Budget(_key(site, f"messages user {user_id}"), MESSAGES, MESSAGES_SPAN)
    of_network = Budget(
        _key(site, f"messages network {network_of(peer)}"), MESSAGES_OF_NETWORK, MESSAGES_SPAN, of_stranger=True
    )

    async def work(transaction: Transaction) -> timedelta:
        sent, last = await transaction.tries(of_login), await transaction.tries(of_pause)
        wait = max(await of_user.wait(transaction, now), await of_network.wait(transaction, now))
        if last is not None:
            wait = max(wait, last.expires_at - now)
        if sent is not None and sent.count >= MESSAGES_OF_LOGIN:
            wait = max(wait, login.expires_at - now)
        if not wait:
            await transaction.save_tries(Tries(of_login, (sent.count if sent else 0) + 1, now, login.expires_at))
            await of_user.spend(transaction, now)
            await of_network.spend(transaction, now)
            await transaction.save_tries(Tries(of_pause, 0, now, now + MESSAGE_PAUSE))
        return wait

    return await site.store.write(work)


async def end_message_pause(site: Site, user_id: str) -> None:
    """End the pause between e-mails to a user, since the last e-mail was not sent.

    The failed e-mail still counts towards the limit.
    """
    await site.store.write(lambda transaction: transaction.drop_tries(_key(site, f"messages pause {user_id}")))


def _budgets(site: Site, user_id: str, peer: str) -> tuple[Budget, Budget]:
    """Return the user's budget of tries for this network, and the budget for all networks together."""
    own = Budget(_key(site, f"factor {user_id} {network_of(peer)}"), TRIES, TRIES * TRY_BACK_AFTER)
    span = ACCOUNT_TRIES * ACCOUNT_TRY_BACK_AFTER
    return own, Budget(_key(site, f"factor {user_id}"), ACCOUNT_TRIES, span)


def _key(site: Site, name: str) -> bytes:
    return keyed_hash(site.hash_keys.codes, f"tries of {name}")
