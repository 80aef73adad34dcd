"""A walk through every page in a browser, for tests and for screenshots.

`python -m tests.stories.real.page_walk FOLDER` saves a picture of each page, light and dark, at a desk and on a phone.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.secret import Secret
from keyfob.serve import Running, Tenant, bind, url_of
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.server.io.mail import MemoryOutbox
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.settings.pictures import write_image
from keyfob.server.start import READY_AUDIENCE, ready_config
from keyfob.testing.person import over_network
from keyfob.testing.scene import EMAIL, PASSWORD, quick_passwords
from tests.stories.real.test_browser import FLAGS, browser_path

NEW_PASSWORD = "seven quiet otters paint the harbour"
CLIENT = "northwind-cli"
CALLBACK = "http://127.0.0.1:9/callback"
LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 52 40"><path fill="#1f6f5c" d="M4 34 20 6l16 28z"/>
<path fill="#e0a030" d="m26 34 10-18 10 18z"/></svg>"""
Look = Callable[[str], None]


@dataclass
class Stage:
    """A tenant with a brand, and people who read their e-mails."""

    url: str
    outbox: MemoryOutbox
    waiting: str = ""

    def device_code(self, scope: str = "openid profile email offline_access read:orders") -> str:
        body = urlencode({"client_id": CLIENT, "scope": scope}).encode()
        kind = (("content-type", "application/x-www-form-urlencoded"),)
        answer = over_network(Request("POST", f"{self.url}oauth/device/code", kind, body))
        codes = json.loads(answer.body)
        self.waiting = codes["device_code"]
        return str(codes["user_code"])

    def redeem(self) -> None:
        """Get the tokens of the last device login, as the app does."""
        asked = {"client_id": CLIENT, "device_code": self.waiting, "grant_type": DEVICE_CODE}
        kind = (("content-type", "application/x-www-form-urlencoded"),)
        assert over_network(Request("POST", f"{self.url}oauth/token", kind, urlencode(asked).encode())).status == 200

    def authorization(self, **changed: str) -> str:
        asked = {
            "client_id": CLIENT, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid read:orders",
            "audience": READY_AUDIENCE, "state": "x", "code_challenge": challenge_of(Secret("x" * 43)),
            "code_challenge_method": "S256", **changed,
        }  # fmt: skip
        return f"{self.url}authorize?{urlencode(asked)}"

    def link(self) -> str:
        """Return the newest link for a password or an account."""
        texts = (re.search(r"https?://\S+/u/(?:reset|join)\?link=\S+", mail.text) for mail in self.outbox.sent[::-1])
        return next(found[0] for found in texts if found is not None)


@contextmanager
def branded_tenant() -> Iterator[Stage]:
    """Serve a tenant with a logo, links in the footer, accounts to sign up for, and an app of another maker."""
    listener, outbox = bind("127.0.0.1", 0), MemoryOutbox()
    ready = ready_config(url_of(listener))
    app = replace(
        ready.applications[0], client_id=CLIENT, name="Northwind CLI", maker="Northwind Traders", callbacks=(CALLBACK,)
    )
    config = replace(
        ready, name="Example Login", applications=(app,), colour="#1f6f5c", logo=write_image(LOGO), sign_up=True,
        support="https://example.com/help", privacy="https://example.com/privacy", terms="https://example.com/terms",
    )  # fmt: skip

    async def made() -> Tenant:
        tenant = await Tenant.create(
            config, store=SqliteStore(), master=b"m" * 32, passwords=quick_passwords(), mailer=outbox
        )
        await tenant.add_user(EMAIL, Secret(PASSWORD), "Pat Example")
        return tenant

    tenant = asyncio.run(made())
    running = Running(tenant.app, listener)
    try:
        yield Stage(running.url, outbox)
    finally:
        running.stop()
        tenant.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield browser
        browser.close()


def press(page: Page, value: str) -> None:
    """Press the first button with that value, and wait for the page that follows."""
    with page.expect_navigation():
        page.locator(f"button[value={value}]").first.click()


def log_in(page: Page, password: str = PASSWORD, email: str = EMAIL) -> None:
    page.locator("#email").fill(email)
    page.locator("#password").fill(password)
    press(page, "login")


def walk(page: Page, stage: Stage, look: Look) -> None:
    """Go to every page, and look at each."""
    _device(page, stage, look)
    _account(page, stage, look)
    _factors(page, stage, look)
    _authorization(page, stage, look)
    _mail(page, stage, look)


def _device(page: Page, stage: Stage, look: Look) -> None:
    page.goto(stage.url)
    look("start")
    page.goto(f"{stage.url}activate")
    look("enter")
    page.locator("#user_code").fill("BCDF-GHJK")
    press(page, "continue")
    look("enter-wrong")
    page.goto(f"{stage.url}activate?user_code={stage.device_code()}")
    look("confirm")
    press(page, "confirm")
    look("login")
    log_in(page, "wrong")
    look("login-wrong")
    log_in(page)
    page.locator(".mark.good").wait_for()
    look("allowed")
    stage.redeem()
    page.goto(f"{stage.url}activate?user_code={stage.device_code()}")
    look("confirm-known")
    press(page, "decline")
    page.locator(".mark").wait_for()
    look("denied")
    page.goto(f"{stage.url}activate?user_code={stage.device_code()}")
    press(page, "confirm")
    page.locator("a[href^='/u/end']").click()
    look("end")
    press(page, "end")
    page.locator("button").wait_for(state="detached")
    look("ended")


def _account(page: Page, stage: Stage, look: Look) -> None:
    page.goto(f"{stage.url}account")
    look("account")
    page.locator("#current").fill("wrong")
    page.locator("section #password").fill(NEW_PASSWORD)
    press(page, "password")
    look("account-wrong")
    page.locator("#name").fill("Pat van Example")
    press(page, "name")
    look("account-told")


def _factors(page: Page, stage: Stage, look: Look) -> None:
    page.goto(f"{stage.url}u/enrol")
    look("login-enrol")
    log_in(page)
    look("enrol")
    press(page, "enrol")
    look("enrol-secret")
    secret = base64.b32decode(page.locator(".key").inner_text().replace(" ", ""))
    page.locator("#code").fill("000000")
    press(page, "verify")
    look("enrol-wrong")
    page.locator("#code").fill(one_time_code(secret, step_of(datetime.now(UTC))))
    press(page, "verify")
    page.locator("button[value=kept]").wait_for()
    look("recovery")
    press(page, "kept")
    look("enrolled")
    page.goto(f"{stage.url}account")
    look("account-factors")
    press(page, "recovery")
    look("account-recovery")
    page.goto(f"{stage.url}u/enrol")
    log_in(page)
    look("factor")
    page.locator("#code").fill("000000")
    press(page, "verify")
    look("factor-wrong")
    page.goto(f"{stage.url}account")
    press(page, "remove")


def _authorization(page: Page, stage: Stage, look: Look) -> None:
    page.goto(stage.authorization(prompt="consent"))
    look("consent")
    page.goto(stage.authorization(client_id="nobody"))
    page.locator("summary").click()
    look("problem")
    page.goto(stage.authorization(prompt="consent", response_mode="form_post", ui_locales="de"))
    look("consent-german")
    page.goto(f"{stage.url}oidc/logout")
    look("logout")
    press(page, "logout")
    look("logged-out")


def _mail(page: Page, stage: Stage, look: Look) -> None:
    page.goto(f"{stage.url}u/forgot")
    look("forgot")
    page.locator("#email").fill(EMAIL)
    press(page, "send")
    look("sent")
    page.goto(stage.link())
    look("reset")
    page.locator("#password").fill("passwordpassword")
    press(page, "save")
    look("reset-weak")
    page.locator("#password").fill(PASSWORD)
    press(page, "save")
    look("login-told")
    page.goto(f"{stage.url}u/signup")
    look("signup")
    page.locator("#email").fill("new@example.com")
    press(page, "send")
    page.goto(stage.link())
    look("join")
    page.locator("#name").fill("Nina New")
    page.locator("#password").fill(NEW_PASSWORD)
    press(page, "save")
    log_in(page, NEW_PASSWORD, "new@example.com")
    look("account-new")
    page.goto(f"{stage.url}u/reset?link=old")
    look("bad-link")


def main(folder: Path) -> None:
    """Save the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for screen, (width, height) in {"desk": (1280, 800), "phone": (390, 664)}.items():
        for theme in ("light", "dark"):
            with branded_tenant() as stage, chromium() as browser:
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=theme,  # type: ignore[arg-type]
                )

                def look(name: str, page: Page = page, prefix: str = f"{screen}-{theme}") -> None:
                    is_tall = name.startswith("account") and prefix.startswith("desk")
                    page.screenshot(path=folder / f"{prefix}-{name}.png", full_page=is_tall)

                walk(page, stage, look)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
