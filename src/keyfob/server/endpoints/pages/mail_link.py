"""Links in e-mails: to choose a password, to create an account, to confirm an address (NIST SP 800-63B-4 §4.2).

A link contains all its data in encrypted form. So the server stores nothing when it sends a link, and unauthenticated
callers cannot fill the store. A link works once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast, get_args
from urllib.parse import urlencode

from keyfob.errors import Malformed
from keyfob.protocol.base64url import base64url
from keyfob.protocol.http import Request
from keyfob.protocol.language import Language
from keyfob.server.decide.throttle import LINKS_OF_ADDRESS, LINKS_OF_NETWORK, MESSAGES_SPAN, network_of
from keyfob.server.endpoints.account_mail import WrittenMail, write_mail
from keyfob.server.endpoints.budget import Budget
from keyfob.server.endpoints.pages.sealed_login import seal_members, unseal_members
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.site import Site

Purpose = Literal["reset", "join", "verify"]
LIFETIME: Final = timedelta(minutes=30)
_CONTEXT: Final = "link in an e-mail"
_ID_BYTES: Final = 16
_MARK_BYTES: Final = 16
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True)
class MailLink:
    """The content of a link.

    Attributes:
        email: The address that the link was sent to.
        link_id: A random id, by which the use of the link is recorded.
        user_id: The user; "" for an account that does not exist yet.
        password_mark: A value derived from the user's password when the link was written. After a change of the
            password, the link is invalid.
    """

    purpose: Purpose
    email: str
    link_id: str
    expires_at: datetime
    user_id: str = ""
    password_mark: str = ""


def link_for(site: Site, purpose: Purpose, email: str, user: User | None = None) -> MailLink:
    """Return a new link, which is valid for `LIFETIME`. For an account that does not exist yet, `user` is None."""
    mark = "" if user is None else password_mark(site, user)
    user_id = "" if user is None else user.user_id
    return MailLink(purpose, email, base64url(site.random(_ID_BYTES)), site.now() + LIFETIME, user_id, mark)


def password_mark(site: Site, user: User) -> str:
    """Return a value that changes when the user's password changes, and that reveals nothing about the password."""
    return base64url(keyed_hash(site.hash_keys.codes, f"password {user.user_id} {user.password_hash}")[:_MARK_BYTES])


def write_link(site: Site, link: MailLink) -> str:
    """Encrypt a link, for the URL in the e-mail."""
    members = {
        "for": link.purpose,
        "email": link.email,
        "id": link.link_id,
        "expires": link.expires_at.timestamp(),
        "user": link.user_id,
        "mark": link.password_mark,
    }
    return seal_members(site, members, _CONTEXT)


def read_link(site: Site, token: str | None, purpose: Purpose) -> MailLink | None:
    """Decrypt a link, and return its content.

    Return None if this server did not write the link, if its purpose is not `purpose`, or if it has expired.
    """
    if token is None or len(token) > _LONGEST:
        return None
    try:
        fields = unseal_members(site, token, _CONTEXT)
        named = fields.text("for")
        found = MailLink(
            cast("Purpose", named),
            fields.text("email"),
            fields.text("id"),
            fields.time("expires"),
            fields.optional_text("user") or "",
            fields.optional_text("mark") or "",
        )
    except (ValueError, Malformed):
        return None
    is_ours = named in get_args(Purpose) and named == purpose
    return found if is_ours and site.now() < found.expires_at else None


async def use_link(site: Site, transaction: Transaction, link: MailLink) -> bool:
    """Mark a link as used. Return False if it was used before."""
    key = keyed_hash(site.hash_keys.codes, f"link {link.link_id}")
    return await transaction.use_once(key, link.expires_at)


async def spend_mail(site: Site, request: Request, email: str) -> Literal["send", "skip", "refuse"]:
    """Count an e-mail that an unauthenticated caller requests.

    Returns:
        `refuse` if the network requested too many e-mails, `skip` if the address received too many, else `send`. The
        result does not depend on whether there is an account.
    """
    now, key = site.now(), site.hash_keys.codes
    network = keyed_hash(key, f"links network {network_of(request.peer)}")
    address = keyed_hash(key, f"links address {email.lower()}")
    of_network = Budget(network, LINKS_OF_NETWORK, MESSAGES_SPAN, of_stranger=True)
    of_address = Budget(address, LINKS_OF_ADDRESS, MESSAGES_SPAN, of_stranger=True)

    async def work(transaction: Transaction) -> Literal["send", "skip", "refuse"]:
        if await of_network.wait(transaction, now):
            return "refuse"
        await of_network.spend(transaction, now)
        if await of_address.wait(transaction, now):
            return "skip"
        await of_address.spend(transaction, now)
        return "send"

    return await site.store.write(work)


def write_link_mail(site: Site, path: str, language: Language, link: MailLink) -> WrittenMail:
    """Return the e-mail with a link. The URL consists of the page's address and the encrypted link."""
    query = urlencode({"link": write_link(site, link)})
    return write_mail(site, link.purpose, f"{path}?{query}", language, int(LIFETIME.total_seconds() // 60))
