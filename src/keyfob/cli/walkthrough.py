"""The walkthrough of `keyfob demo`: an authorization server, an API, and one login for each flow, on this machine."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from keyfob.client.model.notices import PasswordWarned
from keyfob.errors import Refused
from keyfob.guard import Denial, Guard, Principal
from keyfob.login import App, CodeShown, Notice, PasteAsked, Question, Session, Source, StoredLogin
from keyfob.protocol.grants import CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.serve import ApiGrant, Application, Connection, Running, Tenant, TenantConfig, bind, ready_config, url_of
from keyfob.server.io.registry import new_client_secret
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID, FirstUser
from keyfob.testing.orders import api
from keyfob.testing.person import Person, over_network

# Shorter than the usual five seconds, so that the demo is not slow.
POLL_INTERVAL: Final = timedelta(seconds=1)
NIGHTLY: Final = "nightly-batch"
LEGACY: Final = "old-program"


class DemoApps(NamedTuple):
    """One `App` for each flow.

    `by_browser` and `by_pasting` are the same client. `by_browser` uses a browser on this machine, and `by_pasting` a
    browser on another computer.
    """

    by_code: App
    as_itself: App
    by_password: App
    by_browser: App
    by_pasting: App


def run_demo(*, unattended: bool) -> None:
    """Start the server and the API, log in with each flow, and stop both.

    Args:
        unattended: Whether a scripted user fills in the pages.

    Raises:
        KeyfobError: A step did not end as expected.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyfob-demo-")))
        listener = bind("127.0.0.1", 0)
        secret, file = new_client_secret(), folder / "nightly.secret"
        file.touch(mode=0o600)
        file.write_text(secret.reveal(), encoding="utf-8")
        config = _tenant_config(url_of(listener), secret)
        tenant = stack.enter_context(closing(Tenant.open(folder / "tenant", config, with_first_user=True)))
        issuer = Running(tenant.app, listener)
        stack.callback(issuer.stop)
        guard = Guard(issuer=issuer.url, audience=READY_AUDIENCE)
        orders = Running(api(guard), bind("127.0.0.1", 0))
        stack.callback(orders.stop)
        assert tenant.first_user is not None, "a new folder has a first user"  # noqa: S101
        apps = _demo_apps(issuer.url, folder, file)
        Walkthrough(apps, guard, f"{orders.url}orders", tenant.first_user, unattended=unattended).run()


def _tenant_config(issuer: str, secret: Secret) -> TenantConfig:
    """Return the settings of `ready_config` with two more clients: a service account and one for passwords."""
    ready = ready_config(issuer)
    nightly = Application(
        NIGHTLY, "Nightly batch", "machine", (CLIENT_CREDENTIALS,), ("client_secret_post",), (secret,)
    )
    legacy = Application(LEGACY, "Old program", grants=(PASSWORD, REFRESH_TOKEN))
    return replace(
        ready,
        device_interval=POLL_INTERVAL,
        applications=(*ready.applications, nightly, legacy),
        grants=(ApiGrant(NIGHTLY, READY_AUDIENCE, ("read:orders",)),),
        connections=(replace(one := Connection(), allows_password=True),),
        default_directory=one.name,
        allows_password=True,
    )


def _demo_apps(issuer: str, folder: Path, secret: Path) -> DemoApps:
    def app(name: str, client_id: str, **more: Any) -> App:  # noqa: ANN401  any setting of an App
        home = folder / "programs"
        return App(issuer=issuer, client_id=client_id, audience=READY_AUDIENCE, scopes=["read:orders"], profile=name,
                   login_command="keyfob demo", home=home, **more)  # fmt: skip

    return DemoApps(
        by_code=app("by-code", READY_CLIENT_ID, flow="device"),
        as_itself=app("as-itself", NIGHTLY, is_machine=True, credential=Source("secret", "file", str(secret))),
        by_password=app("by-password", LEGACY, flow="password", allows_password=True),
        by_browser=app("by-browser", READY_CLIENT_ID, flow="browser"),
        by_pasting=app("by-browser", READY_CLIENT_ID, flow="paste"),
    )


class Walkthrough:
    """Logs in with each flow and calls the API. Every step prints its outcome. An unexpected outcome ends the demo."""

    def __init__(self, apps: DemoApps, guard: Guard, orders: str, user: FirstUser, *, unattended: bool) -> None:
        """Store the arguments. With `unattended`, a script fills in the pages in place of the user."""
        self._apps, self._guard, self._orders, self._user = apps, guard, orders, user
        self._unattended = unattended
        self._browser: Person | None = None

    def run(self) -> None:
        """Go through all flows.

        Raises:
            KeyfobError: A step did not end as expected.
        """
        issuer = self._apps.by_code.profile.issuer
        _print(f"keyfob demo\n  tenant   {issuer}\n  API      {self._orders}\n  program  this one")
        _print_heading("The API, without a token")
        self._call(None, 401)
        self._by_code()
        self._as_itself()
        self._by_password()
        self._by_browser()
        _print("\n\nAll calls had the expected result. Nothing is left running.")

    def _by_code(self) -> None:
        _print_heading(
            "1. Device Authorization Flow (RFC 8628): the program requests a code, a user approves it on any device"
        )
        app = self._apps.by_code
        if not self._unattended:
            self._print_credentials()
        session = self._use_login(app, app.log_in(self._approve_code if self._unattended else None))
        _print_heading("The API, with one changed character in the token")
        self._call(_with_changed_signature(session.token()), 401)
        _print_heading("Refresh: the program gets a new token without the user")
        self._call(session.token(min_ttl=timedelta(days=1, seconds=1)), 200)
        _print_heading("Log out")
        self._log_out(session)
        _print("  an issued access token stays valid until it expires: the API validates it without the tenant")

    def _as_itself(self) -> None:
        _print_heading("2. Client Credentials Flow (RFC 6749 section 4.4): a service account logs in, without a user")
        _print("  no user is involved; the client secret is in a file, and is read when it is needed")
        app = self._apps.as_itself
        self._use_login(app, app.log_in())
        _print("  when the token expires, the program requests another: there is no login to end")

    def _by_password(self) -> None:
        _print_heading(
            "3. Resource Owner Password Grant (RFC 6749 section 4.3): legacy; a user gives the program the password"
        )
        app = self._apps.by_password

        def notify(notice: Notice) -> None:
            if isinstance(notice, PasswordWarned):
                _print(f"  the program warns: {notice.why}")

        self._log_out(self._use_login(app, app.log_in(notify, ask=self._answer)))

    def _by_browser(self) -> None:
        _print_heading(
            "4. Authorization code with the user's own browser (RFC 8252, PKCE): the safest, if there is a browser"
        )
        if self._unattended:
            app = self._apps.by_pasting
            stored = app.log_in(self._approve_in_browser, ask=self._paste)
        elif "browser" not in self._apps.by_browser.plan().flows:
            _print("  skipped: no browser can be opened here")
            return
        else:
            app = self._apps.by_browser
            self._print_credentials()
            stored = app.log_in()
        self._log_out(self._use_login(app, stored))

    def _use_login(self, app: App, stored: StoredLogin) -> Session:
        """Print the claims of the new access token and call the API with it."""
        user = stored.person or f"itself, {stored.client_id}"
        _print(f"  the program was given {'tokens' if stored.refresh_token else 'a token'} for {user}")
        session = app.session()
        _print_heading("The claims of the access token")
        self._print_claims(session)
        _print_heading("The API, with the token")
        self._call(session.token(), 200)
        return session

    def _log_out(self, session: Session) -> None:
        _expect("the tenant confirms that the login has ended", session.log_out().revoked is True)

    def _print_credentials(self) -> None:
        _print(f"  log in on the page as  {self._user.email}  with the password  {self._user.password.reveal()}")

    def _approve_code(self, notice: Notice) -> None:
        if not isinstance(notice, CodeShown):
            return
        _print(f"  the program shows  {notice.verification_uri}  and the code  {notice.user_code}")
        person = Person()
        person.open(notice.verification_uri)
        person.press("continue", user_code=notice.user_code.lower())
        _expect("a script opens the page, enters the code, and compares it", notice.user_code in person.page.text)
        person.press("confirm")
        self._log_in(person)
        _expect("logs in and approves", "Your program is logged in" in person.page.text)

    def _approve_in_browser(self, notice: Notice) -> None:
        if not isinstance(notice, PasteAsked):
            return
        shown = notice.address.partition("?")[0]
        _print(f"  the program shows  {shown}?...  and accepts only the response to this request")

        def send(request: Request) -> Response:
            # In a browser on another computer, the redirect to the loopback address fails, so the user pastes the URL.
            return over_network(request) if request.url.startswith(self._issuer) else Response(502)

        self._browser = Person(send)
        self._browser.open(notice.address)
        self._log_in(self._browser)
        self._browser.press("approve")
        ended = self._browser.page.url
        _expect("a script logs in and approves; the browser ends at the program's own address", "code=" in ended)

    def _log_in(self, person: Person) -> None:
        person.press("login", email=self._user.email, password=self._user.password.reveal())

    @property
    def _issuer(self) -> str:
        return self._apps.by_code.profile.issuer

    def _answer(self, question: Question) -> Secret:
        _print(f"  the program asks:  {question.words}")
        return self._user.password if question.kind == "password" else Secret(self._user.email)

    def _paste(self, question: Question) -> Secret:
        del question
        return Secret("" if self._browser is None else self._browser.page.url)

    def _call(self, token: str | None, expected: int) -> Response:
        headers = () if token is None else (("authorization", f"Bearer {token}"),)
        response = over_network(Request("GET", self._orders, headers))
        _print(f"  GET /orders -> {response.status}  {response.body.decode()[:120]}")
        challenge = response.header("www-authenticate")
        if challenge:
            _print(f"  with the reason: {challenge}")
        _expect(f"status {expected}, as expected", response.status == expected)
        return response

    def _print_claims(self, session: Session) -> None:
        found = self._guard.check(Request("GET", "/", (("authorization", f"Bearer {session.token()}"),)), "read:orders")
        if isinstance(found, Denial):
            raise Refused(f"the guard refuses the token: {found.description}", code="api-refused")
        _print(_describe(found))


def _describe(caller: Principal) -> str:
    lines = {
        "issued by": caller.issuer,
        "for the API": caller.claims["aud"],
        "to the program": caller.client_id,
        "on behalf of": caller.subject,
        "may": caller.scope.write(),
        "until": f"{caller.expires_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    return "\n".join(f"  {name:<15} {value}" for name, value in lines.items())


def _with_changed_signature(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"


def _print_heading(text: str) -> None:
    _print(f"\n{text}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _expect(what: str, holds: bool) -> None:  # noqa: FBT001
    """Print that a step ended as expected, if `holds` is true.

    Raises:
        Refused: The step did not end as expected.
    """
    if not holds:
        raise Refused(f"the demo failed here: {what}", code="api-refused")
    _print(f"  ok: {what}")
