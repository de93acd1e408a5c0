"""States in which there is no whole map, other media, and readers who see or point differently."""

import os
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.page.browser import AT, BEFORE, NOW, PHONE, opened, picture, places
from tests.page.fleet import WINDOW
from tests.page.server import Scene

TOO_OLD = {
    "node": "node-3",
    "from": AT - WINDOW,
    "to": AT,
    "reason": "agent_too_old",
    "lost": 0,
    "detail": "says no version",
}
NOTHING_KEPT = {
    "code": "not_found",
    "message": "nothing is kept of the time to compare with",
    "hint": "the store begins at 2026-11-29T03:00:00Z",
}
FORGETFUL = """for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });"""
REFUSED = {"code": "usage", "message": "zone:x: no such zone", "hint": "known: a, b, c"}


def test_an_answer_that_takes_long_is_waited_for_in_words(browser: Browser) -> None:
    scene = Scene()
    with opened(browser, scene, f"/?{NOW}") as (page, _):
        scene.ready.clear()
        page.keyboard.press("[")
        expect(page.locator("body")).to_have_class("waiting")
        page.goto(page.url, wait_until="commit")
        expect(page.locator("#notice")).to_contain_text("Asking for the map")
        scene.ready.set()
        page.wait_for_selector(".node")
        expect(page.locator("#notice")).to_be_hidden()


def test_a_browser_that_remembers_nothing_shows_the_map(browser: Browser) -> None:
    with opened(browser, Scene(token="s3cret"), f"/?{NOW}") as (page, _):
        page.add_init_script(FORGETFUL)
        page.reload()
        page.fill("#notice input", "s3cret")
        page.keyboard.press("Enter")
        page.wait_for_selector(".node")
        page.click("text=Got it")
        expect(page.locator("#banner")).to_be_empty()


def test_without_any_connection_the_page_says_what_to_try(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene("empty")) as (page, _):
        expect(page.locator("#notice")).to_contain_text("tailrace doctor")
        picture(page, "empty", tmp_path)


def test_where_nothing_matches_the_filter_goes_with_one_click(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene("nothing"), f"/?q=zone:x&{NOW}") as (page, server):
        expect(page.locator("#notice")).to_contain_text("zone:x")
        picture(page, "nothing-matches", tmp_path)
        server.scene.shows = "boutique"
        page.click("text=Without the filter")
        page.wait_for_selector(".node")
        expect(page.locator("#notice")).to_be_hidden()


def test_errors_say_what_is_wrong_and_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(refusal=(400, REFUSED)), f"/?{NOW}") as (page, server):
        for words in ("could not be answered", REFUSED["message"], REFUSED["hint"]):
            expect(page.locator("#notice")).to_contain_text(words)
        picture(page, "error", tmp_path)
        server.scene.refusal = None
        page.click("text=Try again")
        page.wait_for_selector(".node")


def test_what_cannot_be_compared_is_shown_alone_with_one_click(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(refusal=(404, NOTHING_KEPT)), f"/?{NOW}&{BEFORE}") as (page, server):
        expect(page.locator("#notice")).to_contain_text("the store begins at 2026-11-29T03:00:00Z")
        picture(page, "nothing-kept", tmp_path)
        server.scene.refusal = None
        page.click("text=Without the comparison")
        page.wait_for_selector(".node")
        assert "against" not in page.url


def test_a_store_that_is_younger_than_an_hour_is_compared_with_its_begin(browser: Browser) -> None:
    with opened(browser, Scene(begins_s=AT - 1200), f"/?{NOW}") as (page, _):
        expect(page.locator("#bar .gap")).to_have_count(1)
        page.keyboard.press("c")
        expect(page.locator("#time")).to_contain_text(re.compile("against 02:5[89]:00"))


def test_agents_that_are_too_old_are_named(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(gaps=[TOO_OLD]), f"/?{NOW}") as (page, _):
        expect(page.locator("#banner")).to_contain_text("Agent too old on node-3")
        expect(page.locator("#panel")).to_contain_text("node-3: agent too old, 300 seconds (says no version)")
        picture(page, "too-old", tmp_path)
    with opened(browser, Scene("empty", gaps=[TOO_OLD])) as (page, _):
        expect(page.locator("#notice")).to_contain_text("node-3: what they report is not")
        picture(page, "too-old-empty", tmp_path)


def test_a_server_that_is_busy_is_asked_again(browser: Browser) -> None:
    busy = {"code": "too_slow", "message": "it took longer than 10 s", "hint": "a shorter window is faster"}
    with opened(browser, Scene(refusal=(503, busy)), f"/?{NOW}") as (page, server):
        expect(page.locator("#notice")).to_contain_text("a shorter window is faster")
        server.scene.refusal = None
        page.wait_for_selector(".node")


def test_a_token_opens_the_map_and_stands_in_no_link(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(token="s3cret"), f"/?{NOW}") as (page, server):
        expect(page.locator("#notice")).to_contain_text("No permission")
        picture(page, "no-permission", tmp_path)
        page.fill("#notice input", "s3cret")
        page.keyboard.press("Enter")
        page.wait_for_selector(".node")
        assert not [asked for asked in [page.url, *server.scene.asked] if "s3cret" in asked]


def test_a_server_that_goes_away_leaves_the_map_and_its_time(browser: Browser, tmp_path: Path) -> None:
    scene = Scene()
    with opened(browser, scene) as (page, _):
        before = places(page)
        scene.away = True
        page.keyboard.press("l")
        expect(page.locator("#banner")).to_contain_text("Disconnected: this is the map of 03:13:00 UTC")
        assert places(page) == before
        picture(page, "disconnected", tmp_path)
        scene.away = False
        expect(page.locator("#banner")).not_to_contain_text("Disconnected")
        scene.away = True  # what it complained of was meant


def test_ten_thousand_workloads_are_shown_by_what_matters(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene("huge"), f"/?{NOW}") as (page, _):
        expect(page.locator("#banner")).to_contain_text("10,000 workloads")
        picture(page, "huge", tmp_path)
        page.click("text=By namespace")
        expect(page.locator("#group")).to_have_value("namespace")


def test_the_first_visit_explains_the_map_once(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}", greeted=False) as (page, _):
        expect(page.locator("#banner")).to_contain_text("Clients stand left")
        page.click("text=Got it")
        expect(page.locator("#banner")).to_be_empty()
        page.reload()
        page.wait_for_selector(".node")
        expect(page.locator("#banner")).to_be_empty()


def test_a_small_screen_begins_with_the_table(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}", viewport=PHONE) as (page, _):
        expect(page.locator("#table tbody tr").first).to_be_in_viewport()
        picture(page, "phone", tmp_path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click("#table tbody tr:first-child")
        expect(page.locator("#panel h2")).to_have_text("checkoutservice → paymentservice:50051")


def test_the_table_sorts_and_follows_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}&view=table") as (page, _):
        expect(page.locator("#table tbody tr").first).to_contain_text("37 refused")
        page.click("#table th button:text-is('resent')")
        expect(page.locator("#table th[aria-sort='descending']")).to_have_text("resent")
        expect(page.locator("#table tbody tr").first).to_contain_text("data/redis-cart")
        page.locator("#table tbody tr").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#table tr[aria-selected='true']")).to_have_count(1)
        picture(page, "table", tmp_path)


def test_a_screen_reader_gets_the_rows_while_the_map_is_shown(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        said = page.locator("#table").aria_snapshot()
        assert "row" in said
        assert "37 refused" in said
        assert page.locator("#table tbody tr").count() == page.locator("#edges > g").count()


def test_no_rule_of_accessibility_is_broken(browser: Browser) -> None:
    for link, options in (
        (f"/?{NOW}&{BEFORE}", {}),
        (f"/?{NOW}&focus=boutique/checkoutservice", {"color_scheme": "dark"}),
        (f"/?{NOW}&view=table&focus=boutique/checkoutservice>boutique/paymentservice:50051", {}),
        (f"/?{NOW}", {"viewport": PHONE, "color_scheme": "dark"}),
    ):
        with opened(browser, Scene(), link, greeted=False, **options) as (page, _):
            page.wait_for_selector("#panel h2")
            assert broken_rules(page) == []
    with opened(browser, Scene(token="x"), f"/?{NOW}") as (page, _):
        assert broken_rules(page) == []


def test_on_paper_are_the_map_and_the_details_alone(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}&select=boutique/checkoutservice") as (page, _):
        page.emulate_media(media="print")
        expect(page.locator(".tools")).to_be_hidden()
        expect(page.locator(".node").first).to_be_visible()
        expect(page.locator("#panel h2")).to_be_visible()
        picture(page, "print", tmp_path)


def test_a_sheet_of_paper_has_the_whole_map_and_its_time(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}&select=boutique/checkoutservice") as (page, _):
        paper = Path(os.environ.get("SCREENSHOTS") or tmp_path) / "print.pdf"
        page.pdf(path=paper, format="A4", landscape=True, print_background=True)
        assert paper.read_bytes().startswith(b"%PDF")
        page.emulate_media(media="print")
        expect(page.locator("#day")).to_be_visible()
        box = page.locator("#day").bounding_box()
        whole = page.locator("#canvas").bounding_box()
        assert box is not None
        assert whole is not None
        assert box["y"] < whole["y"], "the time stands above the map"


def test_without_colour_shapes_and_words_tell_the_same(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}&{BEFORE}") as (page, _):
        page.context.new_cdp_session(page).send(
            "Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"}
        )
        outlines = {
            status: page.locator(f".node.{status} .glyph").first.get_attribute("d")
            for status in ("ok", "degraded", "failing", "new", "gone")
        }
        assert len(set(outlines.values())) == 5
        words = {
            status: page.locator(f"#table tr:has(svg.{status}) .word").first.text_content()
            for status in outlines
        }
        assert words == {status: status for status in outlines}
        picture(page, "grey", tmp_path)
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        picture(page, "help", tmp_path)


def broken_rules(page: Page) -> list[str]:
    """Of axe: which rule, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['html'][:160] for node in rule['nodes'][:3]]}" for rule in found]
