"""The pages in a real browser, JavaScript off, at a desk and on a phone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from keyfob.login import App, CodeShown, Notice, StoredLogin
from keyfob.protocol.http import Request
from keyfob.serve import Running, Tenant, bind, ready_config, url_of
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID, FirstUser
from keyfob.testing.person import over_network

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
]
SCREENS = {"desk": (1280, 800), "phone": (390, 844), "small phone": (320, 568)}


def browser_path() -> str | None:
    """Which browser: the one that `make test` has found, else Playwright's own."""
    return os.environ.get("KEYFOB_TEST_BROWSER") or None


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[tuple[Running, FirstUser]]:
    listener = bind("127.0.0.1", 0)
    made = Tenant.open(tmp_path / "tenant", ready_config(url_of(listener)), with_first_user=True)
    running = Running(made.app, listener)
    assert made.first_user is not None
    yield running, made.first_user
    running.stop()
    made.close()


@pytest.fixture(params=SCREENS)
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = SCREENS[request.param]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=False)
        yield context.new_page()
        browser.close()


def fits(page: Page) -> None:
    """Nothing hangs over the edge of the screen."""
    box = page.locator("main").bounding_box()
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    heights = page.locator("button").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert all(height >= 44 for height in heights), "big enough for a thumb"


def test_a_person_logs_a_program_in_with_the_keyboard_alone(
    tenant: tuple[Running, FirstUser], page: Page, tmp_path: Path
) -> None:
    """[AS-NIST-05]: a password manager knows the fields."""
    running, user = tenant
    app = App(issuer=running.url, client_id=READY_CLIENT_ID, audience=READY_AUDIENCE, home=tmp_path / "program")
    shown: list[CodeShown] = []
    arrived = threading.Event()
    stored: list[StoredLogin] = []

    def notify(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            shown.append(notice)
            arrived.set()

    program = threading.Thread(target=lambda: stored.append(app.log_in(notify)))
    program.start()
    assert arrived.wait(10)
    page.goto(shown[0].verification_uri)
    fits(page)
    page.keyboard.type("bcdf-ghjk")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.locator("#user_code").get_attribute("aria-invalid") == "true"
    page.locator("#user_code").fill(shown[0].user_code.lower().replace("-", " "))
    page.keyboard.press("Enter")
    page.locator(".shown").wait_for()
    assert shown[0].user_code in page.content()
    fits(page)
    page.keyboard.press("Tab")
    assert page.locator("button:focus").get_attribute("value") == "decline"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("Password").wait_for()
    fits(page)
    assert page.locator("#email").get_attribute("autocomplete") == "username"
    assert page.locator("#password").get_attribute("autocomplete") == "current-password"
    page.keyboard.type(user.email)
    page.keyboard.press("Tab")
    page.keyboard.type(user.password.reveal())
    page.keyboard.press("Enter")
    page.get_by_text("Your program is logged in").wait_for()
    fits(page)
    program.join(20)
    assert stored[0].person == user.email
    app.session().log_out()


def device_code(running: Running) -> str:
    scope = b"openid+profile+email+offline_access+read:orders+write:orders"
    body = b"client_id=" + READY_CLIENT_ID.encode() + b"&scope=" + scope
    kind = (("content-type", "application/x-www-form-urlencoded"),)
    answer = over_network(Request("POST", f"{running.url}oauth/device/code", kind, body))
    return answer.body.decode().partition('"user_code":"')[2][:9]


def is_on_screen(page: Page, button: str) -> None:
    box, size = page.get_by_role("button", name=button, exact=True).bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert box["y"] + box["height"] <= size["height"], button


@pytest.mark.parametrize("scale", [1, 2], ids=["as is", "200 %"])
def test_the_decision_is_on_the_first_screen_of_a_phone(tenant: tuple[Running, FirstUser], scale: int) -> None:
    """[FP-05]: also for somebody who is logged in; and with letters twice as large, nothing hangs over the edge."""
    running, user = tenant
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        viewport = {"width": 390 // scale, "height": 664 // scale}
        page = browser.new_page(viewport=viewport, device_scale_factor=scale)  # type: ignore[arg-type]
        for is_known in (False, True):
            page.goto(f"{running.url}activate?user_code={device_code(running)}")
            fits(page)
            if scale == 1:
                is_on_screen(page, "Decline")
                is_on_screen(page, "Yes, this is my code")
            if not is_known:
                page.get_by_role("button", name="Yes, this is my code").click()
                page.get_by_label("E-mail").fill(user.email)
                page.get_by_label("Password").fill(user.password.reveal())
                page.keyboard.press("Enter")
                page.get_by_text("Your program is logged in").wait_for()
        browser.close()


def test_reload_and_back_send_no_form_again(tenant: tuple[Running, FirstUser], page: Page) -> None:
    """[FP-03]: a browser that goes back has a page to show, and a reload asks nothing."""
    running, user = tenant
    page.goto(f"{running.url}activate?user_code={device_code(running)}")
    page.get_by_role("button", name="Yes, this is my code").click()
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    page.reload()
    page.get_by_role("alert").wait_for()
    page.go_back()
    page.get_by_label("Password").fill(user.password.reveal())
    page.get_by_label("E-mail").fill(user.email)
    page.keyboard.press("Enter")
    page.get_by_text("Your program is logged in").wait_for()
    page.reload()
    page.get_by_text("Your program is logged in").wait_for()
    page.go_back()
    page.get_by_text("Your program is logged in").wait_for()


def test_a_person_declines(tenant: tuple[Running, FirstUser], page: Page) -> None:
    running, _ = tenant
    body = b"client_id=" + READY_CLIENT_ID.encode()
    kind = (("content-type", "application/x-www-form-urlencoded"),)
    answer = over_network(Request("POST", f"{running.url}oauth/device/code", kind, body))
    code = answer.body.decode().partition('"user_code":"')[2][:9]
    page.goto(f"{running.url}activate?user_code={code}")
    page.get_by_role("button", name="Decline").click()
    page.get_by_text("Nobody was logged in").wait_for()
    fits(page)
