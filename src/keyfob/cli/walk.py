"""The walk of `keyfob demo`: for each way to log in who asked, what the token says and what the API answered."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import Refused

if TYPE_CHECKING:
    from keyfob.guard import Guard, Principal
    from keyfob.login import App, Notice, Question, Session, StoredLogin
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.secret import Secret
    from keyfob.serve import FirstUser
    from keyfob.testing.person import Person


class Programs(NamedTuple):
    """One for each way to log in. The last two are the same, at a browser of this machine and at one elsewhere."""

    by_code: App
    as_itself: App
    by_password: App
    by_browser: App
    by_pasting: App


class Walk:
    """One walk through all ways; every step says what happened, and stops at the first surprise."""

    def __init__(self, programs: Programs, guard: Guard, orders: str, user: FirstUser, *, unattended: bool) -> None:
        """Know everybody.

        Args:
            programs: That log in.
            guard: The API's.
            orders: Where the API is.
            user: The person.
            unattended: Whether a scripted one goes through the pages.
        """
        self._programs, self._guard, self._orders, self._user = programs, guard, orders, user
        self._unattended = unattended
        self._browser: Person | None = None

    def through(self) -> None:
        """From no token to none again.

        Raises:
            KeyfobError: A step did not end as it should.
        """
        issuer = self._programs.by_code.profile.issuer
        _say(f"keyfob demo\n  tenant   {issuer}\n  API      {self._orders}\n  program  this one")
        _head("The API, without a token")
        self._call(None, 401)
        self._by_code()
        self._as_itself()
        self._by_password()
        self._by_browser()
        _say("\nAll calls came back as they should. Nothing is left running.")

    def _by_code(self) -> None:
        _head("1. Device Authorization Flow (RFC 8628): the program asks for a code, a person approves on any device")
        app = self._programs.by_code
        if not self._unattended:
            self._say_who()
        session = self._logged_in(app, app.log_in(self._tell_code if self._unattended else None))
        _head("The API, with one letter of the token changed")
        self._call(_changed(session.token()), 401)
        _head("Refresh: the program gets a new token without asking anybody")
        self._call(session.token(min_ttl=timedelta(days=1, seconds=1)), 200)
        _head("Log out")
        self._log_out(session)
        _say("  an access token that is out lives until it lapses: the API checks it without asking the tenant")

    def _as_itself(self) -> None:
        _head("2. Client Credentials Flow (RFC 6749 section 4.4): a program logs in as itself, for nobody")
        _say("  no person is asked; its secret lies in a file, and is read when it is wanted")
        app = self._programs.as_itself
        self._logged_in(app, app.log_in())
        _say("  when the token lapses, the program asks for another: there is no login to end")

    def _by_password(self) -> None:
        from keyfob.client.model.notices import PasswordWarned

        _head(
            "3. Resource Owner Password Grant (RFC 6749 section 4.3): legacy; a person gives the program the password"
        )
        app = self._programs.by_password

        def notify(notice: Notice) -> None:
            if isinstance(notice, PasswordWarned):
                _say(f"  the program warns: {notice.why}")

        self._log_out(self._logged_in(app, app.log_in(notify, ask=self._type)))

    def _by_browser(self) -> None:
        _head("4. Redirect through the person's own browser (RFC 8252, PKCE): the safest, where a browser is at hand")
        if self._unattended:
            app = self._programs.by_pasting
            stored = app.log_in(self._tell_address, ask=self._paste)
        elif "browser" not in self._programs.by_browser.plan().flows:
            _say("  left out: no browser of this machine can be opened from here")
            return
        else:
            app = self._programs.by_browser
            self._say_who()
            stored = app.log_in()
        self._log_out(self._logged_in(app, stored))

    def _logged_in(self, app: App, stored: StoredLogin) -> Session:
        """What every login comes to: a token that says whose it is, and opens the API."""
        whom = stored.person or f"itself, {stored.client_id}"
        _say(f"  the program was given {'tokens' if stored.refresh_token else 'a token'} for {whom}")
        session = app.session()
        _head("What the access token says")
        self._explain(session)
        _head("The API, with the token")
        self._call(session.token(), 200)
        return session

    def _log_out(self, session: Session) -> None:
        _expect("the tenant confirms that the login has ended", session.log_out().revoked is True)

    def _say_who(self) -> None:
        _say(f"  log in on the page as  {self._user.email}  with the password  {self._user.password.reveal()}")

    def _tell_code(self, notice: Notice) -> None:
        from keyfob.login import CodeShown
        from keyfob.testing.person import Person

        if not isinstance(notice, CodeShown):
            return
        _say(f"  the program shows  {notice.verification_uri}  and the code  {notice.user_code}")
        person = Person()
        person.open(notice.verification_uri)
        person.press("continue", user_code=notice.user_code.lower())
        _expect("a scripted person opens the page, enters the code, and compares", notice.user_code in person.page.text)
        person.press("confirm")
        self._log_in(person)
        _expect("logs in and approves", "Your program is logged in" in person.page.text)

    def _tell_address(self, notice: Notice) -> None:
        from keyfob.login import PasteAsked
        from keyfob.protocol.http import Response
        from keyfob.testing.person import Person, over_network

        if not isinstance(notice, PasteAsked):
            return
        shown = notice.address.partition("?")[0]
        _say(f"  the program shows  {shown}?...  and will take the answer to this question alone")

        def send(request: Request) -> Response:
            # As a browser elsewhere: nobody listens where it ends, and the address is pasted.
            return over_network(request) if request.url.startswith(self._issuer) else Response(502)

        self._browser = Person(send)
        self._browser.open(notice.address)
        self._log_in(self._browser)
        self._browser.press("approve")
        ended = self._browser.page.url
        _expect(
            "a scripted person logs in and approves; the browser ends at the program's own address", "code=" in ended
        )

    def _log_in(self, person: Person) -> None:
        person.press("login", email=self._user.email, password=self._user.password.reveal())

    @property
    def _issuer(self) -> str:
        return self._programs.by_code.profile.issuer

    def _type(self, question: Question) -> Secret:
        from keyfob.protocol.secret import Secret

        _say(f"  the program asks:  {question.words}")
        return self._user.password if question.kind == "password" else Secret(self._user.email)

    def _paste(self, question: Question) -> Secret:
        from keyfob.protocol.secret import Secret

        del question
        return Secret("" if self._browser is None else self._browser.page.url)

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
