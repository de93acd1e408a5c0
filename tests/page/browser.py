"""A real Chromium with the page in it; what it complains of fails the test."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.page.fleet import AT
from tests.page.server import Scene, Server

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE: Final[ViewportSize] = {"width": 1500, "height": 900}
PHONE: Final[ViewportSize] = {"width": 400, "height": 800}
#: The window of all answers, as links say it, and an hour before.
NOW: Final = "at=2026-11-29T03:13:00Z"
BEFORE: Final = "against=2026-11-29T02:13:00Z"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=120_000)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser, scene: Scene, link: str = "/", *, greeted: bool = True, **options: Any
) -> Iterator[tuple[Page, Server]]:
    """The page at a link, once it shows a map or says why it does not. Nothing glides: all is where it stays.

    :param link: such as ``/?select=shop/cart``.
    :param greeted: whether the reader has been here before.
    :param options: of the browser's context, such as ``color_scheme``.
    """
    meant = scene.refusal is not None or scene.token != ""
    with Server(scene).running() as server:
        context = browser.new_context(**({"viewport": WIDE, "reduced_motion": "reduce"} | options))
        context.add_init_script("localStorage.setItem('tailrace-greeted', '1')" if greeted else "")
        page = context.new_page()
        complaints = complaints_of(page, server.url)
        page.goto(server.url + link)
        page.wait_for_selector(".node, #notice h2:not(:text('Asking'))", state="attached")
        await_drawn(page)
        try:
            yield page, server
            meant = meant or scene.away
        finally:
            context.close()
        refused = "Failed to load resource"
        rest = [one for one in complaints if not (meant and one.startswith(refused))]
        assert not rest, rest


def await_drawn(page: Page) -> None:
    """Wait until the answer is drawn, and the table too, which comes when the browser has nothing else to do.

    Sizes are told to the page in a frame's course, so that the frame after it stands.
    """
    expect(page.locator("#map")).to_have_attribute("aria-busy", "false")
    page.evaluate(
        """() => new Promise((done) => requestIdleCallback(() =>
            requestAnimationFrame(() => requestAnimationFrame(done))))"""
    )


def complaints_of(page: Page, url: str) -> list[str]:
    """What the page throws, what its policy refuses, and whom else it asks: nobody."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(url) else None)
    return complaints


def picture(page: Page, name: str, folder: Path) -> Path:
    """A screenshot, into ``$SCREENSHOTS`` if that is set, to be looked at."""
    path = Path(os.environ.get("SCREENSHOTS") or folder) / f"{name}.png"
    page.screenshot(path=path)
    return path


def places(page: Page) -> dict[str, tuple[float, float]]:
    """Where each node is on the screen, by its name."""
    found: dict[str, tuple[float, float]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.node')].map((node) => {
            const box = node.querySelector('.box:not(.under)').getBoundingClientRect();
            return [node.querySelector('title').textContent.split(',')[0], [box.x, box.y]];
        }))"""
    )
    return found


def smallest_text(page: Page) -> float:
    """Pixels of the smallest text that is shown."""
    size: float = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('body *')]
            .filter((one) => [...one.childNodes].some((text) => text.nodeType === 3 && text.data.trim()))
            .filter((one) => one.checkVisibility({ visibilityProperty: true }))
            .filter((one) => one.getBoundingClientRect().width > 1)
            .map((one) => parseFloat(getComputedStyle(one).fontSize) * (one.getScreenCTM?.().a ?? 1)))"""
    )
    return size


def scale(page: Page) -> float:
    """Of the map, to three digits."""
    found: float = page.evaluate("document.querySelector('#world').getScreenCTM().a")
    return round(found, 3)


__all__ = [
    "AT",
    "BEFORE",
    "NOW",
    "PHONE",
    "WIDE",
    "await_drawn",
    "chromium",
    "opened",
    "picture",
    "places",
    "scale",
    "smallest_text",
]
