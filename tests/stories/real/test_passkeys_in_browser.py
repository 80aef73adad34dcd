"""Passkeys in Chromium, with the virtual authenticator of its DevTools: the script, the policy and the signatures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page

from keyfob.protocol.secret import Secret
from keyfob.serve import Running, Tenant, bind, ready_config, url_of
from keyfob.server.io.mail import MemoryOutbox
from keyfob.server.io.sqlite import SqliteStore
from keyfob.testing.scene import EMAIL, PASSWORD, quick_passwords
from tests.stories.real.page_walk import CLIENT, Stage, chromium, log_in, press
from tests.stories.real.test_browser import fits
from tests.stories.real.test_every_page import RULES

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
SIZES = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with tenant_with_passkeys() as made:
        yield made


@contextmanager
def tenant_with_passkeys() -> Iterator[Stage]:
    """Serve a tenant at `localhost`, since browsers have no passkeys at an IP address."""
    listener, outbox = bind("127.0.0.1", 0), MemoryOutbox()
    ready = ready_config(url_of(listener).replace("127.0.0.1", "localhost"))
    app = replace(ready.applications[0], client_id=CLIENT, name="Northwind CLI", callbacks=("http://127.0.0.1:9/cb",))
    config = replace(ready, name="Example Login", applications=(app,))

    async def made() -> Tenant:
        tenant = await Tenant.create(
            config, store=SqliteStore(), master=b"m" * 32, passwords=quick_passwords(), mailer=outbox
        )
        await tenant.add_user(EMAIL, Secret(PASSWORD), "Pat Example")
        return tenant

    tenant = asyncio.run(made())
    running = Running(tenant.app, listener)
    try:
        yield Stage(config.issuer, outbox)
    finally:
        running.stop()
        tenant.close()


@pytest.fixture
def browser(stage: Stage) -> Iterator[Browser]:
    """Start a browser after the tenant: Playwright has an event loop of its own."""
    assert stage.url
    with chromium() as made:
        yield made


@dataclass
class Desk:
    """A page with an authenticator."""

    page: Page
    cdp: CDPSession
    authenticator: str

    def set(self, command: str, **values: object) -> Any:
        return self.cdp.send(f"WebAuthn.{command}", {"authenticatorId": self.authenticator, **values})

    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.set("getCredentials")["credentials"]
        return found

    def forget_the_session(self) -> None:
        self.page.context.clear_cookies()


def desk(browser: Browser, size: str = "desk", *, has_autofill: bool = False, **options: Any) -> Desk:
    """Open a browser with an authenticator. With the autofill, that answers as soon as a page asks for any passkey."""
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}, **options).new_page()
    if not has_autofill:
        page.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")
    page.set_default_timeout(15_000)
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    added = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return Desk(page, cdp, added["authenticatorId"])


def add_passkey(at: Desk, stage: Stage, name: str = "Laptop") -> None:
    """Log in with the password, and add a passkey."""
    at.page.goto(f"{stage.url}account")
    log_in(at.page)
    press(at.page, "passkey")
    at.page.locator("#name").fill(name)
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("The passkey is added").wait_for()


def with_passkey(browser: Browser, stage: Stage, *, has_autofill: bool = False) -> Desk:
    """Return a page of a user who has a passkey and is not logged in."""
    at = desk(browser, has_autofill=has_autofill)
    add_passkey(at, stage)
    at.forget_the_session()
    return at


def use_passkey(at: Desk, name: str = "Log in with a passkey") -> None:
    at.page.get_by_role("button", name=name).click()


@pytest.mark.parametrize("size", SIZES)
def test_a_passkey_is_added_and_opens_the_account(browser: Browser, stage: Stage, size: str) -> None:
    at = desk(browser, size)
    errors: list[str] = []
    at.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    add_passkey(at, stage)
    at.page.get_by_text("Passkey: Laptop").wait_for()
    assert at.page.get_by_text("Keep this recovery code").is_visible()
    at.forget_the_session()
    at.page.goto(f"{stage.url}account")
    use_passkey(at)
    at.page.get_by_role("heading", name="Your account").wait_for()
    assert EMAIL in at.page.content()
    assert errors == []
    assert [one["signCount"] for one in at.credentials()] == [2]


def test_the_browser_offers_the_passkey_in_the_field_of_the_address(browser: Browser, stage: Stage) -> None:
    """Conditional mediation: the virtual authenticator answers as a person who picks it from the autofill."""
    at = with_passkey(browser, stage, has_autofill=True)
    at.page.goto(f"{stage.url}account")
    at.page.get_by_role("heading", name="Your account").wait_for()


def test_a_device_login_is_approved_in_the_browser(browser: Browser, stage: Stage) -> None:
    at = with_passkey(browser, stage)
    at.page.goto(f"{stage.url}activate?user_code={stage.device_code()}")
    press(at.page, "confirm")
    use_passkey(at, "Approve with a passkey")
    at.page.locator(".mark.good").wait_for()
    stage.redeem()


def test_a_passkey_is_the_second_factor_after_a_password(browser: Browser, stage: Stage) -> None:
    at = with_passkey(browser, stage)
    at.page.goto(f"{stage.url}account")
    log_in(at.page)
    at.page.get_by_text("Choose how you prove that it is you.").wait_for()
    use_passkey(at, "Use your passkey")
    at.page.get_by_role("heading", name="Your account").wait_for()


def test_without_scripts_no_button_promises_a_passkey(browser: Browser, stage: Stage) -> None:
    """The rest works as ever; where only a passkey would do, the page says what is missing."""
    at = with_passkey(browser, stage)
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{stage.url}account")
    assert not plain.get_by_role("button", name="Log in with a passkey").is_visible()
    log_in(plain)
    assert plain.get_by_text("This browser cannot use passkeys").is_visible()
    assert not plain.get_by_role("button", name="Use your passkey").is_visible()
    assert plain.get_by_role("button", name="Enter your recovery code").is_visible()
    at.page.context.close()


def test_a_browser_without_passkeys_shows_no_button(browser: Browser, stage: Stage) -> None:
    page = browser.new_context().new_page()
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(f"{stage.url}account")
    assert not page.get_by_role("button", name="Log in with a passkey").is_visible()
    log_in(page)
    page.get_by_role("heading", name="Your account").wait_for()
    assert not page.get_by_role("button", name="Add a passkey").is_visible()
    page.goto(f"{stage.url}account/passkey")
    assert page.get_by_text("This browser cannot use passkeys").is_visible()


def test_a_person_who_cancels_is_told_and_goes_on(browser: Browser, stage: Stage) -> None:
    """A finger that is not known ends the browser's dialogue, as its button for cancelling does."""
    at = with_passkey(browser, stage)
    at.page.goto(f"{stage.url}account")
    at.set("setUserVerified", isUserVerified=False)
    use_passkey(at)
    at.page.get_by_text("No passkey was used").wait_for()
    at.set("setUserVerified", isUserVerified=True)
    at.page.get_by_role("button", name="Log in with a passkey").click()
    at.page.get_by_role("heading", name="Your account").wait_for()


def test_a_person_who_cancels_the_creation_is_told(browser: Browser, stage: Stage) -> None:
    at = desk(browser)
    at.page.goto(f"{stage.url}account")
    log_in(at.page)
    press(at.page, "passkey")
    at.set("setUserVerified", isUserVerified=False)
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("No passkey was created").wait_for()
    at.set("setUserVerified", isUserVerified=True)
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("The passkey is added").wait_for()
    assert len(at.credentials()) == 1


def test_a_second_passkey_in_one_authenticator_is_refused_by_the_browser(browser: Browser, stage: Stage) -> None:
    at = desk(browser)
    add_passkey(at, stage)
    press(at.page, "passkey")
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("No passkey was created").wait_for()


def test_a_copied_authenticator_is_refused(browser: Browser, stage: Stage) -> None:
    """Its counter has not seen the login of the original."""
    at = with_passkey(browser, stage)
    [copied] = at.credentials()
    at.page.goto(f"{stage.url}account")
    use_passkey(at)
    at.page.get_by_role("heading", name="Your account").wait_for()
    at.set("removeCredential", credentialId=copied["credentialId"])
    at.set("addCredential", credential=copied)
    at.forget_the_session()
    at.page.goto(f"{stage.url}account")
    use_passkey(at)
    at.page.get_by_text("That passkey opens no account here").wait_for()


def test_a_recorded_answer_opens_nothing(browser: Browser, stage: Stage) -> None:
    """An answer that was sent once is sent again, by a browser with the same cookies."""
    at = with_passkey(browser, stage)
    at.page.goto(f"{stage.url}account")
    cookies = at.page.context.cookies()
    sent: list[str] = []
    at.page.on("request", lambda request: sent.append(request.post_data or "") if request.method == "POST" else None)
    use_passkey(at)
    at.page.get_by_role("heading", name="Your account").wait_for()
    other = browser.new_context()
    other.add_cookies(cookies)  # type: ignore[arg-type]
    answer = other.request.post(
        f"{stage.url}u/login", data=sent[0], headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status == 403
    assert "That passkey opens no account here" in answer.text()


def test_a_removed_passkey_is_refused_in_the_browser(browser: Browser, stage: Stage) -> None:
    at = desk(browser)
    add_passkey(at, stage)
    press(at.page, "remove")
    at.page.get_by_text("The passkey is removed").wait_for()
    at.forget_the_session()
    at.page.goto(f"{stage.url}account")
    use_passkey(at)
    at.page.get_by_text("That passkey opens no account here").wait_for()


def test_at_another_address_of_the_server_there_are_no_passkeys(browser: Browser, stage: Stage) -> None:
    """The policy allows the script of the issuer's origin only, and the browser would refuse the relying party."""
    at = with_passkey(browser, stage)
    at.page.goto(f"{stage.url.replace('localhost', '127.0.0.1')}account")
    at.page.locator("#email").wait_for()
    assert not at.page.get_by_role("button", name="Log in with a passkey").is_visible()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_passkeys(browser: Browser, stage: Stage, size: str, theme: str) -> None:
    axe, at = Axe(), desk(browser, size, color_scheme=theme)
    found: dict[str, object] = {}

    def look(name: str) -> None:
        at.page.wait_for_load_state()
        visible_fits(at.page)
        violations = axe.run(at.page, options=RULES).response["violations"]
        if violations:
            found[name] = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in violations]

    at.page.goto(f"{stage.url}account")
    at.page.get_by_role("button", name="Log in with a passkey").wait_for()
    look("login")
    log_in(at.page)
    look("account")
    press(at.page, "passkey")
    look("new passkey")
    at.set("setUserVerified", isUserVerified=False)
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("No passkey was created").wait_for()
    look("not created")
    at.set("setUserVerified", isUserVerified=True)
    at.page.get_by_role("button", name="Create the passkey").click()
    at.page.get_by_text("The passkey is added").wait_for()
    look("added")
    at.forget_the_session()
    at.page.goto(f"{stage.url}account")
    log_in(at.page)
    at.page.get_by_text("Choose how you prove that it is you.").wait_for()
    look("choose")
    press(at.page, "recovery-code")
    look("recovery code")
    assert found == {}


def visible_fits(page: Page) -> None:
    """As `fits`, for pages whose other forms the script has shown."""
    page.locator("form[hidden]").first.wait_for(state="detached")
    fits(page)
