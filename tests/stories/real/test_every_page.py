"""Every page, in each theme and size, with and without JavaScript: it fits, axe finds nothing, and keys are enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.stories.real.page_walk import branded_tenant, chromium, walk
from tests.stories.real.test_browser import fits

# What WCAG 2.2 AA asks for, and best practices.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
FOCUSABLE = "a[href], button, input:not([type=hidden]), summary"
SMALLEST = 24  # pixels of a target: WCAG 2.2 §2.5.8
# Of what is shown, measured at once: each question to the browser takes longer than its answer.
HEIGHTS = "all => all.filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect().height)"


def is_used_with_keys_alone(page: Page, name: str) -> None:
    """WCAG 2.2 §2.1.1, §2.4.3, §2.4.7: Tab reaches each control once, in order, and shows where it is."""
    reached, shown = tab_through(page)
    wanted = page.locator(FOCUSABLE).evaluate_all(
        "all => all.filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 120))"
    )
    assert reached == wanted, name
    assert all(shown), name


def tab_through(page: Page) -> tuple[list[str], list[bool]]:
    """Press Tab until the end of the page. Return what had the focus, and whether an outline showed it."""
    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges(); window.scrollTo(0, 0)")
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    reached, shown = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            "[document.activeElement === document.body || document.activeElement === document.documentElement ? '' : "
            "document.activeElement.outerHTML.slice(0, 120), getComputedStyle(document.activeElement).outlineStyle]"
        )
        if not at or at in reached[:1]:
            break
        reached.append(at)
        shown.append(outline != "none")
    page.evaluate("document.body.removeAttribute('tabindex')")
    return reached, shown


def keeps_on_reload_and_back(page: Page, name: str) -> None:
    """A reload shows the same page, and asks nothing."""
    heading = page.locator("h1").inner_text()
    answer = page.reload()
    assert answer is not None, name
    assert answer.request.method == "GET", name
    assert page.locator("h1").inner_text() == heading, name
    page.goto("about:blank")
    page.go_back()
    assert page.locator("h1").inner_text() == heading, name


class View(NamedTuple):
    width: int
    height: int
    scripts: bool = True
    theme: str = "light"
    forced: bool = False
    text: int = 100
    used: Callable[[Page, str], None] | None = None


VIEWS = {
    "desk, keys alone": View(1280, 800, used=is_used_with_keys_alone),
    "desk, dark, no scripts": View(1280, 800, scripts=False, theme="dark"),
    "phone, dark": View(390, 664, theme="dark"),
    "small phone, no scripts, reload and back": View(320, 568, scripts=False, used=keeps_on_reload_and_back),
    "phone, large text": View(390, 664, text=200),
    "desk, forced colours": View(1280, 800, forced=True),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_page_fits_and_axe_finds_nothing(view: View) -> None:
    """[FP-03] [FP-04] [FP-05]: every page and message, in each view; without scripts the walk itself is the test."""
    axe, seen, found = Axe(), set[str](), dict[str, Any]()
    with branded_tenant() as stage, chromium() as browser:
        context = browser.new_context(
            viewport={"width": view.width, "height": view.height}, java_script_enabled=view.scripts,
            color_scheme=view.theme, forced_colors="active" if view.forced else "none",  # type: ignore[arg-type]
        )  # fmt: skip
        page = context.new_page()
        failed: list[str] = []
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)

        def look(name: str) -> None:
            seen.add(name)
            if view.text != 100:
                page.evaluate(f"document.documentElement.style.fontSize = '{view.text}%'")
            fits(page)
            hangs = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert not hangs, f"{name} is wider than the screen"
            heights = page.locator("button, li a, a.button").evaluate_all(HEIGHTS)
            assert all(height >= SMALLEST for height in heights), name
            if view.used:
                view.used(page, name)
            if not view.scripts:
                return  # axe is a script; the pages are the same with and without
            violations = axe.run(page, options=RULES).response["violations"]
            if violations:
                found[name] = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in violations]

        walk(page, stage, look)
    assert found == {}
    assert len(seen) >= 30
    assert [text for text in failed if "Content Security Policy" in text] == []
