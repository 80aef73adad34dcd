"""Write the e-mails about an account, and send them after the response (NIST SP 800-63B-4 §4.6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from keyfob.errors import Unreachable
from keyfob.protocol.http import Request
from keyfob.server.audit_event import log_text
from keyfob.server.decide.contrast import text_on
from keyfob.server.decide.language import Language, accepted_language
from keyfob.server.endpoints.oauth.code_mail import WrittenMail
from keyfob.server.records import User
from keyfob.server.site import Site

# What an e-mail is about: the keys of its texts.
LinkKind = Literal["reset", "join", "verify", "exists"]
ChangeKind = Literal["changed", "added", "removed", "passkey_added", "passkey_removed", "recovery"]
MailKind = LinkKind | ChangeKind


def account_mail(
    site: Site, kind: MailKind, path: str, language: Language, *, minutes: int = 0, name: str = ""
) -> WrittenMail:
    """Return an e-mail with one address of ours. A name in it is one line, so that it cannot add a header.

    Args:
        site: The tenant.
        kind: What it is about.
        path: Of the address.
        language: Of the texts.
        minutes: How long the address is valid; 0: always.
        name: Of the passkey that it is about.
    """
    config = site.config
    words = {
        "lang": language,
        "tenant": log_text(config.name),
        "kind": kind,
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
    """Return a claimed name without what mail programs make a link of, such as a host name or a web address."""
    return " ".join("".join(letter if letter not in "./:@" else " " for letter in claimed).split())


def tell_change(site: Site, request: Request, user: User, kind: ChangeKind, name: str = "") -> None:
    """Tell a user by e-mail that a credential was changed, in the language of the request."""
    language = accepted_language(request.header("accept-language") or "")
    write = partial(account_mail, site, kind, "/account", language, name=name)
    send_later(site, request, user.email, write, user.user_id)


def send_later(site: Site, request: Request, to: str, write: Callable[[], WrittenMail], user_id: str = "") -> None:
    """Write and send an e-mail after the response, so that its time does not tell whether there is an account."""
    mailer = site.mailer
    if mailer is None:
        return

    async def send() -> None:
        mail = write()
        try:
            await mailer.send(to, mail.subject, mail.text, mail.html)
        except Unreachable as problem:
            site.note("gd_send_email_failure", request, user_id=user_id, description=problem.message)
        else:
            site.note("gd_send_email", request, user_id=user_id)

    site.after_response(send)
