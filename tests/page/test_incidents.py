"""The pages of incidents, with the real API and a real book behind them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Change, EdgeEvent, Tick, Trouble
from actors.incidents.message import Facts, alert_of
from alerts.book import Book
from alerts.journal import JOURNAL, Journal, read
from alerts.routing import Routing, Wishes
from engine.incident_source import WrittenIncidents, settle_planned
from model.silence import PlannedSilence
from tests.page.browser import PHONE, WIDE, complaints_of, picture
from tests.page.real import served
from tests.page.test_states import broken_rules
from tests.unit.store.queries.fleets import BAD_VERSION, NOW

CHECKOUT = "boutique/checkoutservice"
CAUSE = {"server.workload": CHECKOUT, "server.version": BAD_VERSION}
EXPLAINED = Explanation(
    [Cause(CAUSE, 61.3, 1240, 2000, 2, 0.99, 0.001, [{"server.instance": "checkoutservice-3-0"}])],
    ["client.zone", "server.zone", "server.port"],
    [f"40 s after the first {BAD_VERSION} pod"],
)
BAD = Trouble(
    "a", CHECKOUT, "connect_failed", NOW - 55, 0.62, 0.001, 1240, 2000,
    frozenset({f"boutique/frontend > {CHECKOUT}:5050"}), CAUSE, "critical",
)  # fmt: skip
SLOW = Trouble(
    "b", "data/redis-cart", "slow", NOW - 50, 0.3, 0.05, 30, 100,
    frozenset({"boutique/cartservice > data/redis-cart:6379"}), {}, "warning",
)  # fmt: skip
OLD = Trouble("c", "orders/kafka", "reset", NOW - 9000, 0.5, 0.0, 5, 10, frozenset({"a > orders/kafka:9092"}))
SILENT = EdgeEvent(NOW - 30, "vanished", "boutique/frontend", "boutique/adservice", 9555)
NIGHTLY = PlannedSilence(
    name="nightly", where="ns:orders symptom:slow", begins="2026-11-29T02:00:00Z", lasts="1h", every="1d",
    reason="backup",
)  # fmt: skip


def book_in(folder: Path) -> Book:
    """One incident is over, two are open."""

    def explained(subject: str) -> Explanation:
        return EXPLAINED if subject == CHECKOUT else Explanation()

    def message(change: Change) -> Any:
        cause = explained(change.incident.subject)
        return alert_of(change, Facts(cause, cause.just_before, callers=4))

    book = Book(
        Journal(folder / JOURNAL), Routing({"all": Wishes()}), message, explained=lambda it: explained(it.subject)
    )  # fmt: skip
    settle_planned(book, [NIGHTLY], NOW)
    for at in range(int(NOW) - 9000, int(NOW) - 8000, 10):
        book.tick(Tick(float(at), (OLD,) if at < NOW - 8900 else ()))
    for at in range(int(NOW) - 40, int(NOW) + 1, 10):
        book.tick(Tick(float(at), (BAD, SLOW)))
    book.tick(Tick(NOW, (BAD, SLOW)), [SILENT])
    return book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return book_in(tmp_path)


@pytest.fixture
def address(book: Book) -> Iterator[str]:
    with served(incidents=WrittenIncidents(lambda: book, lambda: None)) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A minute after it went wrong; it must not complain."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    context.add_init_script("localStorage.setItem('tailrace-greeted', '1')")
    made = context.new_page()
    made.clock.set_fixed_time(NOW)
    complaints = complaints_of(made, address)
    yield made
    context.close()
    assert [each for each in complaints if "400 (Bad Request)" not in each] == []  # refusals are meant


def test_from_the_badge_on_the_map_to_the_cause_and_back(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(address)
    expect(page.locator("#open-incidents")).to_have_text("✖ 2 open incidents")
    picture(page, "incidents-badge", tmp_path)
    page.click("#open-incidents")
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("30 % of round trips slow (normal 5.0 %)")
    expect(rows.first).to_contain_text(f"only server workload {CHECKOUT} and server version {BAD_VERSION}")
    expect(rows.nth(2)).to_contain_text("over")
    expect(page.locator("#count")).to_have_text("2 open incidents, 1 over")
    picture(page, "incidents", tmp_path)
    page.click(f"text={CHECKOUT} >> nth=0")
    expect(page.locator("h2")).to_contain_text("62 % of connects failed (normal 0.1 %)")
    for words in (
        f"{BAD_VERSION}: 62 % failed; others 0.1 %; explains 99 %",
        "checkoutservice-3-0", "Not it: zones, ports.", f"40 s after the first {BAD_VERSION} pod", "Hit: 4 callers",
    ):  # fmt: skip
        expect(page.locator("#incident")).to_contain_text(words)
    expect(page.locator(".timeline li")).to_have_count(1)
    picture(page, "incident", tmp_path)
    page.click("text=Map of when it began")
    page.wait_for_selector(".node.failing")
    expect(page.locator("#panel h2")).to_have_text("checkoutservice")
    expect(page.locator("#panel .where tbody tr").first).to_contain_text(f"server version {BAD_VERSION}")
    expect(page.locator("#time")).to_contain_text("against")
    picture(page, "incident-map", tmp_path)


def test_an_edge_that_is_hit_leads_to_it_on_the_map(page: Page, address: str, book: Book) -> None:
    page.goto(f"{address}/incident/{key(book, CHECKOUT)}")
    page.click(".hit a")
    expect(page.locator("#panel h2")).to_have_text("frontend → checkoutservice:5050")


def test_it_is_acknowledged_and_silenced_with_a_name(
    page: Page, address: str, book: Book, tmp_path: Path
) -> None:
    """The name is asked for once; what was done is on disk."""
    page.goto(f"{address}/incident/{key(book, CHECKOUT)}")
    page.click("text=Acknowledge …")
    page.fill("dialog input[name=who]", "ada")
    picture(page, "incident-acknowledge", tmp_path)
    page.click("dialog button[type=submit]")
    expect(page.locator("#incident")).to_contain_text("Acknowledged by ada")
    expect(page.locator(".timeline li").last).to_contain_text("by ada")
    page.click("text=Silence …")
    expect(page.locator("dialog input[name=where]")).to_have_value(
        f"subject:{CHECKOUT} symptom:connect_failed"
    )
    page.fill("dialog input[name=where]", "colour:red")
    page.fill("dialog input[name=reason]", "rolling back")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog [role=alert]")).to_contain_text("alerts have no 'colour'")
    page.fill("dialog input[name=where]", "workload:checkoutservice")
    picture(page, "incident-silence", tmp_path)
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_be_hidden()
    page.goto(f"{address}/incidents")
    silences = page.locator("#silences li")
    expect(silences).to_have_count(2)
    expect(silences.last).to_contain_text("workload:checkoutservice")
    expect(silences.last).to_contain_text("rolling back (ada)")
    expect(page.locator("#list")).to_contain_text("open, acknowledged by ada")
    picture(page, "incidents-silenced", tmp_path)
    kept = read(tmp_path / JOURNAL)
    assert [kept[f"incident/{key(book, CHECKOUT)}"]["acknowledged_by"]] == ["ada"]
    assert sum(name.startswith("silence/") for name in kept) == 2
    silences.last.locator("button").click()
    expect(silences).to_have_count(1)
    expect(silences.locator("button")).to_have_count(0)  # that of the configuration


def test_an_edge_that_fell_silent_is_a_mark_and_is_found(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(address)
    mark = page.locator("#bar .moment[aria-label*='fell silent']")
    expect(mark).to_have_attribute(
        "aria-label", re.compile("boutique/frontend fell silent towards boutique/adservice")
    )
    page.keyboard.press("/")
    page.keyboard.type("adservice")
    found = page.locator("#found li", has_text="fell silent")
    expect(found).to_have_count(1)
    picture(page, "edge-event", tmp_path)
    found.click()
    expect(page.locator("#chips")).to_contain_text("boutique/adservice")
    expect(page.locator("#time")).to_contain_text("against")


def test_filters_stand_in_the_link(page: Page, address: str) -> None:
    page.goto(f"{address}/incidents?state=open&q=ns:data")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(page.locator("input[name=q]")).to_have_value("ns:data")
    page.select_option("select[name=state]", "resolved")
    expect(page.locator("#list")).to_contain_text("No incident matches")
    assert re.search(r"\?state=resolved&q=ns%3Adata$", page.url)


def test_an_incident_that_nobody_knows_says_so(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/incident/tailrace-0")
    expect(page.locator("#notice")).to_contain_text("there is no incident tailrace-0")
    page.close()


def test_no_rule_of_accessibility_is_broken(
    browser: Browser, address: str, book: Book, tmp_path: Path
) -> None:
    for scheme in ("light", "dark"):
        for viewport in (WIDE, PHONE):
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            page = context.new_page()
            page.clock.set_fixed_time(NOW)
            for path, ready in (
                ("incidents", "#list tbody tr"),
                (f"incident/{key(book, CHECKOUT)}", ".timeline"),
            ):
                page.goto(f"{address}/{path}")
                page.wait_for_selector(ready)
                assert broken_rules(page) == []
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert page.evaluate(
                    "[...document.querySelectorAll('#list')].every((it) => it.scrollWidth <= it.clientWidth)"
                )
                picture(page, f"{path.partition('/')[0]}-{scheme}-{viewport['width']}", tmp_path)
            page.click("text=Silence …")
            assert broken_rules(page) == []
            context.close()


def key(book: Book, subject: str) -> str:
    return next(each.key for each in book.incidents if each.subject == subject)
