"""Draw docs/login.png, the picture of the README: a device login in the terminal, and the page that approves it.

python -m tools.picture     needs a browser, like `make test`; terminal output and page are real
"""

from __future__ import annotations

import base64
import fcntl
import html
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from dataclasses import replace
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from keyfob.serve import Running, Tenant, bind, ready_config, url_of
from tools.find_browser import browsers
from tools.source import ROOT

PICTURE: Final = ROOT / "docs" / "login.png"
CLIENT: Final = "northwind"
ROWS, COLUMNS = 24, 92
LAST_LINE: Final = b"waiting for you"
STYLES: Final = {"1": "font-weight:bold", "97;40": "color:#fff;background:#000"}
FRAME: Final = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 28px; display: flex; gap: 28px; align-items: flex-start;
       background: #eef1f5; width: max-content }}
pre {{ margin: 0; padding: 18px 22px; border-radius: 10px; background: #16191d; color: #e8eaed;
      font: 14px/1.164 "DejaVu Sans Mono", monospace }}
img {{ width: 390px; border-radius: 22px; border: 8px solid #16191d }}
</style><pre>{terminal}</pre><img src="data:image/png;base64,{page}">"""


def main() -> None:
    """Draw the picture."""
    listener = bind("127.0.0.1", 8790)
    config = replace(ready_config(url_of(listener)), name="Northwind")
    config = replace(
        config,
        applications=(
            replace(config.applications[0], client_id=CLIENT, name="Northwind CLI"),
            *config.applications[1:],
        ),
    )
    running = Running(Tenant.in_memory(config).app, listener)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=next(iter(browsers())), args=["--no-sandbox"])
            shown = terminal(running.url)
            page = confirm_page(browser, running.url, re.sub(r"\s", "", _plain(shown).partition("enter this code:")[2]))
            _draw(browser, shown, page)
    finally:
        running.stop()


def terminal(issuer: str) -> str:
    """Return what the login prints, with its escape codes."""
    with tempfile.TemporaryDirectory() as home:
        process, screen = pty.fork()
        if process == 0:
            environment = {**os.environ, "KEYFOB_HOME": home, "KEYFOB_STORE": "file", "TERM": "xterm-256color"}
            command = [
                sys.executable,
                "-m",
                "keyfob",
                "login",
                issuer,
                CLIENT,
                "--flow",
                "device",
                "--scope",
                "read:orders",
            ]
            os.execve(sys.executable, command, environment)  # noqa: S606  no shell is the point
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        printed = b""
        while LAST_LINE not in printed:
            printed += os.read(screen, 4096)
        os.kill(process, 2)
        os.waitpid(process, 0)
    typed = f"$ keyfob login {issuer} {CLIENT}\n"
    return typed + printed.decode().replace("\r\n", "\n").rpartition("\r")[0].rstrip()


def confirm_page(browser: Browser, issuer: str, rest: str) -> bytes:
    """Return the page on which the user compares the code, as a phone shows it."""
    found = re.search(r"[A-Z]{4}-[A-Z]{4}", rest)
    if found is None:
        raise SystemExit(f"the terminal shows no code: {rest}")
    page = browser.new_page(viewport={"width": 390, "height": 664}, device_scale_factor=2)
    page.goto(f"{issuer}activate")
    page.fill("input[name=user_code]", found[0])
    page.keyboard.press("Enter")
    page.wait_for_selector("button[name=button]")
    return page.screenshot()


def _draw(browser: Browser, shown: str, page: bytes) -> None:
    canvas = browser.new_page(device_scale_factor=1.25)
    canvas.set_content(FRAME.format(terminal=_spans(shown), page=base64.b64encode(page).decode()))
    canvas.locator("body").screenshot(path=PICTURE)


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _spans(text: str) -> str:
    """Return the terminal's text as HTML."""
    pieces = re.split(r"\x1b\[([0-9;]*)m", text)
    return "".join(
        html.escape(piece) if style in {"", "0"} else f'<span style="{STYLES[style]}">{html.escape(piece)}</span>'
        for style, piece in zip(["", *pieces[1::2]], pieces[::2], strict=True)
    )


if __name__ == "__main__":
    main()
