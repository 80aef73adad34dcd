"""`keyfob demo`: a tenant, an API and a program that logs in, on this machine, in the words of what happens."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import Refused

if TYPE_CHECKING:
    from keyfob.guard import Guard, Principal
    from keyfob.login import App, Notice, Session
    from keyfob.protocol.http import Response
    from keyfob.serve import FirstUser

# The pages, the waiting and the polling are the real ones; only the pace is quicker, so that nobody waits for a demo.
PACE = timedelta(seconds=1)


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    parser.add_argument("--unattended", action="store_true", help="a scripted person goes through the real pages")


def run(args: argparse.Namespace) -> int:
    """Start tenant and API, walk through a login, stop both; 0 only if every call came back as it should."""
    from keyfob.guard import Guard
    from keyfob.login import App
    from keyfob.serve import READY_AUDIENCE, READY_CLIENT_ID, Running, Tenant, bind, ready_config, url_of
    from keyfob.testing.orders import api

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyfob-demo-")))
        listener = bind("127.0.0.1", 0)
        config = replace(ready_config(url_of(listener)), device_interval=PACE)
        tenant = stack.enter_context(closing(Tenant.open(folder / "tenant", config, with_first_user=True)))
        issuer = Running(tenant.app, listener)
        stack.callback(issuer.stop)
        guard = Guard(issuer=issuer.url, audience=READY_AUDIENCE)
        orders = Running(api(guard), bind("127.0.0.1", 0))
        stack.callback(orders.stop)
        app = App(
            issuer=issuer.url,
            client_id=READY_CLIENT_ID,
            audience=READY_AUDIENCE,
            scopes=["read:orders"],
            home=folder / "program",
        )
        assert tenant.first_user is not None, "the folder is new, so the person is"  # noqa: S101
        _Walk(app, guard, f"{orders.url}orders", tenant.first_user, unattended=args.unattended).through()
    return 0


class _Walk:
    """One walk through the flow; every step says what happened, and stops at the first surprise."""

    def __init__(self, app: App, guard: Guard, orders: str, user: FirstUser, *, unattended: bool) -> None:
        self._app, self._guard, self._orders, self._user = app, guard, orders, user
        self._unattended = unattended

    def through(self) -> None:
        """From no token to none again."""
        _say(f"keyfob demo\n  tenant   {self._app.profile.issuer}\n  API      {self._orders}\n  program  this one")
        _head("The API, without a token")
        self._call(None, 401)
        _head("Device Authorization Flow (RFC 8628): the program asks for a code, a person approves")
        held = self._app.log_in(self._scripted() if self._unattended else self._attended())
        _say(f"  the program was given tokens for {held.person}")
        session = self._app.session()
        _head("What the access token says")
        self._explain(session)
        _head("The API, with the token")
        self._call(session.token(), 200)
        _head("The API, with one letter of the token changed")
        self._call(_changed(session.token()), 401)
        _head("Refresh: the program gets a new token without asking anybody")
        self._call(session.token(min_ttl=timedelta(days=1, seconds=1)), 200)
        _head("Log out")
        ended = session.log_out()
        _expect("the tenant confirms that the login has ended", ended.revoked is True)
        _say("  an access token that is out lives until it lapses: the API checks it without asking the tenant")
        _say("\nAll calls came back as they should. Nothing is left running.")

    def _attended(self) -> Callable[[Notice], None] | None:
        _say(f"  log in on the page as  {self._user.email}  with the password  {self._user.password.reveal()}")
        return None

    def _scripted(self) -> Callable[[Notice], None]:
        from keyfob.login import CodeShown
        from keyfob.testing.person import Person

        def tell(notice: Notice) -> None:
            if not isinstance(notice, CodeShown):
                return
            _say(f"  the program shows  {notice.verification_uri}  and the code  {notice.user_code}")
            person = Person()
            person.open(notice.verification_uri)
            person.press("continue", user_code=notice.user_code.lower())
            _expect(
                "a scripted person opens the page, enters the code, and compares", notice.user_code in person.page.text
            )
            person.press("confirm")
            person.press("login", email=self._user.email, password=self._user.password.reveal())
            _expect("logs in and approves", "Your program is logged in" in person.page.text)

        return tell

    def _call(self, token: str | None, expected: int) -> Response:
        from keyfob.protocol.http import Request
        from keyfob.testing.person import over_network

        headers = () if token is None else (("authorization", f"Bearer {token}"),)
        response = over_network(Request("GET", self._orders, headers))
        _say(f"  GET /orders -> {response.status}  {response.body.decode()[:120]}")
        challenge = response.header("www-authenticate")
        if challenge:
            _say(f"  and it says why: {challenge}")
        _expect(f"status {expected}, as it should be", response.status == expected)
        return response

    def _explain(self, session: Session) -> None:
        from keyfob.guard import Denial
        from keyfob.protocol.http import Request

        found = self._guard.check(Request("GET", "/", (("authorization", f"Bearer {session.token()}"),)), "read:orders")
        if isinstance(found, Denial):
            raise Refused(f"the guard refuses the token: {found.description}", code="api-refused")
        _say(_in_words(found))


def _in_words(who: Principal) -> str:
    lines = {
        "issued by": who.issuer,
        "for the API": who.claims["aud"],
        "to the program": who.client_id,
        "on behalf of": who.subject,
        "may": who.scope.write(),
        "until": f"{who.expires_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    return "\n".join(f"  {name:<15} {value}" for name, value in lines.items())


def _changed(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"


def _head(text: str) -> None:
    _say(f"\n{text}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _expect(what: str, holds: bool) -> None:  # noqa: FBT001
    """Say that a step went well.

    Raises:
        Refused: It did not.
    """
    if not holds:
        raise Refused(f"the demo went wrong here: {what}", code="api-refused")
    _say(f"  ok: {what}")
