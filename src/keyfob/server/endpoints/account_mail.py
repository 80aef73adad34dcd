"""E-mails about an account: links, and notices of changed passwords and second factors (NIST SP 800-63B-4 §4.6).

E-mails are sent after the response, so that the response time does not reveal whether an account exists.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple

from keyfob.errors import Unreachable
from keyfob.protocol.http import Request
from keyfob.protocol.language import Language, accepted_language
from keyfob.server.audit_event import log_text
from keyfob.server.decide.contrast import text_on
from keyfob.server.decide.throttle import MESSAGES, MESSAGES_SPAN
from keyfob.server.endpoints.budget import Budget
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.site import Site

Change = Literal[
    "changed", "factor_added", "factor_removed", "passkey_added", "passkey_removed", "recovery_made", "recovery_used"
]
MailKind = Literal["reset", "join", "verify", "exists"] | Change
_LINKS: Final = frozenset({"reset", "join", "verify", "exists"})


class WrittenMail(NamedTuple):
    subject: str
    text: str
    html: str


def write_mail(
    site: Site, kind: MailKind, path: str, language: Language, minutes: int = 0, name: str = ""
) -> WrittenMail:
    """Return an e-mail with one link to this server.

    The names of tenant and passkey are reduced to one line, so that they cannot add a header to the e-mail.

    Args:
        site: The tenant.
        kind: The key of the e-mail's texts.
        path: The path and the query of the link.
        language: The language of the texts.
        minutes: How long the link is valid; 0 for a link that does not expire.
        name: The name of the passkey that was added or removed.
    """
    config = site.config
    words = {
        "lang": language,
        "tenant": log_text(config.name),
        "kind": kind,
        "advice": kind if kind in _LINKS else "changed",
        "address": f"{config.issuer}{path.removeprefix('/')}",
        "minutes": minutes,
        "name": log_text(unlinked(name)),
        "time": f"{site.now():%Y-%m-%d %H:%M}",
        "colour": config.colour,
        "on_colour": text_on(config.colour),
    }
    subject, _, text = site.render("link_mail.txt", words).decode().partition("\n")
    return WrittenMail(subject, text.lstrip("\n"), site.render("link_mail.html", words).decode())


def unlinked(claimed: str) -> str:
    """Return a name with spaces for `.`, `/`, `:` and `@`, so that mail programs turn no part of it into a link."""
    return " ".join("".join(letter if letter not in "./:@" else " " for letter in claimed).split())


def send_later(site: Site, request: Request, to: str, write: Callable[[], WrittenMail], user_id: str = "") -> None:
    """Write and send an e-mail after the response.

    If `to` is empty, the e-mail is written but not sent, so that the work takes as long as for an existing account.
    """
    if site.mailer is not None:
        site.after_response(lambda: _send(site, request, to, write, user_id))


def tell_owner(site: Site, request: Request, user: User, change: Change, name: str = "") -> None:
    """Notify a user by e-mail of a change that somebody else may have made.

    Each user gets a limited number of such notices an hour. Above the limit, no e-mail is sent.
    """
    language = accepted_language(request.header("accept-language") or "")
    budget = Budget(keyed_hash(site.hash_keys.codes, f"notices {user.user_id}"), MESSAGES, MESSAGES_SPAN)

    async def spend(transaction: Transaction) -> bool:
        if await budget.wait(transaction, site.now()):
            return False
        await budget.spend(transaction, site.now())
        return True

    async def tell() -> None:
        if await site.store.write(spend):
            write = partial(write_mail, site, change, "/account", language, name=name)
            await _send(site, request, user.email, write, user.user_id)

    if site.mailer is not None:
        site.after_response(tell)


async def _send(site: Site, request: Request, to: str, write: Callable[[], WrittenMail], user_id: str) -> None:
    mail, mailer = write(), site.mailer
    if mailer is None:
        return
    if not to:
        return
    try:
        await mailer.send(to, mail.subject, mail.text, mail.html)
    except Unreachable as problem:
        site.note("gd_send_email_failure", request, user_id=user_id, description=problem.message)
    else:
        site.note("gd_send_email", request, user_id=user_id)
