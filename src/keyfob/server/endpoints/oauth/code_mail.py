"""Write the e-mail with a code from its templates: a subject, plain text, and HTML with the same content."""

from __future__ import annotations

from keyfob.protocol.language import Language
from keyfob.server.audit_event import log_text
from keyfob.server.decide.multifactor import MESSAGE_LIFETIME
from keyfob.server.endpoints.account_mail import WrittenMail
from keyfob.server.site import Site


def code_mail(site: Site, client_id: str, code: str, language: Language) -> WrittenMail:
    """Return the e-mail with a code for a login.

    The names of tenant and client are reduced to one line, so that they cannot add a header or a paragraph.
    """
    client = site.config.application(client_id)
    words = {
        "lang": language,
        "colour": site.config.colour,
        "tenant": log_text(site.config.name),
        "application": log_text(client.name if client else client_id),
        "code": code,
        "minutes": int(MESSAGE_LIFETIME.total_seconds() // 60),
    }
    # The subject is the first line of the text template, so that one e-mail has only two files.
    subject, _, text = site.render("code_mail.txt", words).decode().partition("\n")
    return WrittenMail(subject, text.lstrip("\n"), site.render("code_mail.html", words).decode())
