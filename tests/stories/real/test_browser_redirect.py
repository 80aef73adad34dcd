"""The browser leg in a real browser: log in, second factor, consent, and back to the program at another origin."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.secret import Secret
from keyfob.serve import Running, Tenant, bind, url_of
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.server.start import READY_AUDIENCE
from keyfob.testing.example_tenant import NATIVE, example_config
from keyfob.testing.scene import EMAIL, PASSWORD, quick_passwords
from tests.loopback import Loopback, serving
from tests.stories.real.test_browser import FLAGS, SCREENS, browser_path, fits

VERIFIER = Secret("x" * 43)


class Program:
    """A program that waits at its callback, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        query = body.decode() if handler.command == "POST" else urlsplit(handler.path).query
        if handler.path.startswith("/callback"):
            self.told.append({name: values[0] for name, values in parse_qs(query).items()})
        handler.send_response(200)
        handler.send_header("content-length", "4")
        handler.end_headers()
        handler.wfile.write(b"Back")


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def callback(program: Program) -> Iterator[Loopback]:
    with serving(defaultdict(lambda: program)) as loopback:
        yield loopback


def tenant_of(callback: str, **changed: object) -> Running:
    listener = bind("127.0.0.1", 0)
    ready = example_config(url_of(listener))
    native = replace(NATIVE, callbacks=(callback,))
    others = tuple(one for one in ready.applications if one.client_id != "native")
    config = replace(ready, applications=(native, *others), **changed)  # type: ignore[arg-type]
    made = Tenant.in_memory(config, passwords=quick_passwords())
    asyncio.run(made.add_user(EMAIL, Secret(PASSWORD), "Pat"))
    return Running(made.app, listener)


def address(issuer: str, callback: str, **more: str) -> str:
    asked = {"client_id": "native", "redirect_uri": callback, "response_type": "code", "state": "s"}
    proof = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256", "audience": READY_AUDIENCE}
    return f"{issuer}authorize?{urlencode({**asked, **proof, 'scope': 'openid profile read:orders', **more})}"


def log_in(page: Page) -> None:
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_person_sets_up_a_second_factor_and_lets_a_program_in(
    screen: str, program: Program, callback: Loopback
) -> None:
    """[AS-6749-25]: without JavaScript, at three widths; the browser does follow the redirect to the program."""
    back, (width, height) = f"{callback.url}/callback", SCREENS[screen]
    running = tenant_of(back, mfa="always")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=False).new_page()
        page.goto(address(running.url, back))
        fits(page)
        log_in(page)
        page.get_by_role("button", name="Set one up").click()
        fits(page)
        secret = base64.b32decode(page.locator(".key").inner_text().replace(" ", ""))
        page.get_by_label("Then enter the code").fill("000000")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        page.get_by_label("Then enter the code").fill(one_time_code(secret, step_of(datetime.now(UTC))))
        page.keyboard.press("Enter")
        page.get_by_role("button", name="I have kept it").click()
        page.get_by_role("heading", name="Native wants to sign in").wait_for()
        fits(page)
        page.keyboard.press("Tab")
        assert page.locator("button:focus").get_attribute("value") == "decline"
        page.get_by_role("button", name="Approve").click()
        page.get_by_text("Back").wait_for()
        page.goto(f"{running.url}oidc/logout")
        page.get_by_role("button", name="Log out").click()
        page.get_by_text("You are logged out here.").wait_for()
        fits(page)
        page.goto(address(running.url, f"{back}/elsewhere"))
        page.get_by_text("Details for support").click()
        page.get_by_text("Callback URL mismatch").wait_for()
        fits(page)
        browser.close()
    running.stop()
    assert [set(told) for told in program.told] == [{"code", "state"}]


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without"])
def test_a_form_takes_the_answer_to_the_program(scripts: bool, program: Program, callback: Loopback) -> None:
    back = f"{callback.url}/callback"
    running = tenant_of(back)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_context(java_script_enabled=scripts).new_page()
        page.goto(address(running.url, back, response_mode="form_post"))
        log_in(page)
        page.get_by_role("button", name="Approve").click()
        if not scripts:
            page.get_by_role("button", name="Continue").click()
        page.get_by_text("Back", exact=True).wait_for()
        browser.close()
    running.stop()
    assert [set(told) for told in program.told] == [{"code", "state"}]
