"""Approve a device login: what the approval grants, the number for the client, and the e-mail to the user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from keyfob.errors import Unreachable
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.server.audit_event import log_text
from keyfob.server.decide.approval import END_LINK_LIFETIME, Approval, decide_approval
from keyfob.server.decide.device import approve, confirm
from keyfob.server.decide.multifactor import write_digits
from keyfob.server.decide.nearness import nearness_of
from keyfob.server.endpoints.account_mail import unlinked
from keyfob.server.endpoints.pages.browser import language_of, sid_of
from keyfob.server.endpoints.pages.sealed_login import EndLink, seal_end_link
from keyfob.server.keyed_hash import ID_BYTES, number_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, Nearness
from keyfob.server.site import Site


def nearness_to(request: Request, device: DeviceLogin) -> Nearness:
    """Return whether a browser's request comes from the network of a device login."""
    return nearness_of(device.peer, request.peer)


def decide_here(
    site: Site, request: Request, device: DeviceLogin, auth_time: datetime | None, *, just_logged_in: bool = False
) -> Approval:
    """Decide whether the user of this browser may approve the device login, must log in first, or is refused."""
    rules = site.config.device_rules(site.config.application(device.client_id))
    nearness = nearness_to(request, device)
    return decide_approval(rules, nearness, auth_time, site.now(), just_logged_in=just_logged_in)


@dataclass(frozen=True, slots=True)
class PreparedApproval:
    """The random parts of an approval. They are generated before the transaction, which may run more than once.

    Attributes:
        number: The number that the page shows; "" if the client does not have to send a number.
        link: The encrypted link that ends the login.
    """

    login_id: bytes
    number: str
    link: str

    def apply(
        self, site: Site, request: Request, device: DeviceLogin, session_hash: bytes, user_id: str, auth_time: datetime
    ) -> DeviceLogin:
        """Return the device login as approved by the user of a session."""
        approved = approve(confirm(device, session_hash), user_id, auth_time)
        return replace(
            approved,
            sid=sid_of(site, session_hash),
            nearness=nearness_to(request, device),
            login_id=self.login_id,
            number_hash=number_hash(site.hash_keys, device.device_code_hash, Secret(self.number))
            if self.number
            else None,
        )


def prepare(site: Site, device_hash: bytes, client_id: str) -> PreparedApproval:
    """Generate the random parts of an approval."""
    rules = site.config.device_rules(site.config.application(client_id))
    login_id = site.random(ID_BYTES)
    link = seal_end_link(site, EndLink(login_id, device_hash, site.now() + END_LINK_LIFETIME))
    return PreparedApproval(login_id, write_digits(site.random(8)) if rules.number_back else "", link)


def tell_user(site: Site, request: Request, device_hash: bytes, link: str) -> None:
    """Notify the user of a new device by e-mail after the response.

    No e-mail is sent if the client's rule `notice` is off, or if the server cannot send e-mail. If sending fails, an
    audit event is written, and the approval remains valid.
    """
    site.after_response(partial(_tell, site, request, device_hash, link))


async def _tell(site: Site, request: Request, device_hash: bytes, link: str) -> None:

    async def load(transaction: Transaction) -> tuple[DeviceLogin, str] | None:
        device = await transaction.device_by_code(device_hash)
        user = None if device is None else await transaction.user_by_id(device.user_id or "")
        return None if device is None or user is None else (device, user.email)

    found = None if site.mailer is None else await site.store.read(load)
    if site.mailer is None or found is None:
        return
    device, email = found
    client = site.config.application(device.client_id)
    if not site.config.device_rules(client).notice:
        return
    words = {
        "lang": language_of(request),
        "colour": site.config.colour,
        "tenant": log_text(site.config.name),
        "application": log_text(client.name if client else device.client_id),
        "device": " · ".join(filter(None, map(unlinked, (device.device_name, device.device_system)))),
        "peer": device.peer,
        "place": site.place_of(device.peer),
        "nearness": device.nearness or "unknown",
        "at": f"{site.now():%Y-%m-%d %H:%M} UTC",
        "address": f"{site.config.issuer}u/end?link={link}",
        "days": END_LINK_LIFETIME.days,
    }
    subject, _, text = site.render("device_mail.txt", words).decode().partition("\n")
    try:
        html = site.render("device_mail.html", words).decode()
        await site.mailer.send(email, subject, text.lstrip("\n"), html)
    except Unreachable as problem:
        who = {"client_id": device.client_id, "user_id": device.user_id or ""}
        site.note("keyfob_notice_failure", request, **who, description=problem.message)
