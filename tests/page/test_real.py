"""The page and the real API: what it asks is understood, what it shows is what the API says."""

import datetime
import json
import shlex
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from engine.cli import build_parser
from engine.commands.ask.words import said_by
from engine.commands.filter_words import parsed
from tests.page.browser import WIDE, complaints_of
from tests.page.real import served
from tests.unit.store.queries import asked
from tests.unit.store.queries.fleets import BAD_VERSION, MINUTE, NOW


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of one server for all tests."""
    with served() as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Not opened yet; it must not complain, and each question must be answered."""
    context = browser.new_context(viewport=WIDE)
    context.add_init_script("localStorage.setItem('tailrace-greeted', '1')")
    made = context.new_page()
    complaints = complaints_of(made, address)

    def refused(response: Response) -> None:
        if response.status >= 400:
            complaints.append(f"{response.status} {response.url}")

    made.on("response", refused)
    yield made
    context.close()
    assert complaints == []


def time(seconds: float) -> str:
    """As links have it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


LINK = f"/?w=1m&at={time(NOW)}&against={time(NOW - MINUTE)}"


def map_by(group: str) -> Callable[[Response], bool]:
    """Whether a response answers for the map in these groups."""

    def is_it(response: Response) -> bool:
        url = urlsplit(response.url)
        return url.path.endswith("/map") and parse_qs(url.query).get("group") == [group]

    return is_it


def answer(address: str, path: str) -> Any:
    """What a program gets."""
    with urllib.request.urlopen(f"{address}/api/v1/{path}") as response:
        return json.load(response)["data"]


def test_the_map_has_the_nodes_and_edges_of_the_answer(page: Page, address: str) -> None:
    page.goto(address + LINK)
    page.wait_for_selector(".node")
    said = answer(address, f"map?window=1m&at={quote(time(NOW))}&against={quote(time(NOW - MINUTE))}")
    assert page.locator(".node").count() == len(said["nodes"])
    assert page.locator("#edges > g").count() == len(said["edges"])
    names = {node["id"]: node["key"] for node in said["nodes"]}
    failing = [edge for edge in said["edges"] if edge["status"] == "failing"]
    for edge in failing:
        row = page.locator(f"#table tr[data-id='{edge['id']}']")
        expect(row).to_contain_text(f"{names[edge['to']]}:{edge['port']}")
        expect(row).to_contain_text("refused")


def test_the_question_that_is_asked_ahead_is_the_one_of_the_page(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(address)))
    page.goto(f"{address}{LINK}&select=boutique/checkoutservice&hops=1&errors=1")
    page.wait_for_selector(".node")
    assert len([path for path in asked if path.startswith("/api/v1/map?")]) == 1


def test_two_clicks_lead_to_the_version_that_fails(page: Page, address: str) -> None:
    page.goto(address + LINK)
    page.click("#panel section:has-text('Wrong') li:first-child button")
    first = page.locator("#panel .where tbody tr").first
    expect(first).to_contain_text(f"server version {BAD_VERSION}")
    failed = answer(address, f"where?select=checkoutservice&window=1m&at={quote(time(NOW))}&by=version")[
        "failed"
    ]
    expect(first).to_contain_text(f"{failed} of")


def test_what_came_and_what_went_is_told(page: Page, address: str) -> None:
    page.goto(address + LINK)
    expect(page.locator(".node.gone .name")).to_have_text("adservice")
    expect(page.locator(".node.new .name")).to_have_text("redis-cart")
    expect(page.locator("#panel")).to_contain_text("gone:")


def test_a_live_map_follows_the_stream(page: Page, address: str) -> None:
    with page.expect_response(lambda response: "/stream?" in response.url) as stream:
        page.goto(address)
    assert stream.value.status == 200
    page.wait_for_selector(".node.failing")


def test_each_question_of_the_page_is_understood(page: Page, address: str) -> None:
    page.goto(
        f"{address}/map{LINK[1:]}&select=boutique/checkoutservice&hops=1&dir=up&focus=boutique/checkoutservice"
    )
    expect(page.locator("#panel h2")).to_have_text("checkoutservice")
    expect(page.locator("#panel")).to_contain_text("NAT path")
    for group in ("version", "zone", "namespace", "node", "workload"):
        with page.expect_response(map_by(group)):
            page.select_option("#group", group)
    page.keyboard.press("/")
    page.keyboard.type("chekout")
    expect(page.locator("#found li").first).to_contain_text("boutique/checkoutservice")
    page.keyboard.press("Enter")
    expect(page.locator("#chips")).to_contain_text("boutique/checkoutservice")
    page.keyboard.press("e")
    expect(page.locator(".node.failing")).to_have_count(1)


def test_the_command_of_the_help_asks_for_the_same_map(page: Page, address: str) -> None:
    link = f"{LINK}&select=boutique/checkoutservice&hops=1&dir=up&q=zone:a&errors=1"
    with page.expect_response(lambda response: "/api/v1/map?" in response.url) as asked:
        page.goto(address + link)
    page.wait_for_selector(".node")
    page.keyboard.press("?")
    name, *words = shlex.split(page.locator("#keys code").text_content() or "")
    assert name == "tailrace"
    said = said_by(words[0], parsed(build_parser(), words))
    again = answer(address, f"{words[0]}?{urlencode([(key, text) for key in said for text in said[key]])}")
    assert again == asked.value.json()["data"]
    assert again["edges"]


def test_a_link_of_a_node_and_of_an_edge_means_the_same_for_programs(page: Page, address: str) -> None:
    page.goto(address + LINK)
    page.click("#panel section:has-text('Wrong') li:first-child button")
    focus = page.evaluate("new URLSearchParams(location.search).get('focus')")
    series = answer(address, f"series?edge={quote(focus)}&metrics=failed&window=1m&at={quote(time(NOW))}")
    assert sum(series["columns"]["failed"]) > 0


def test_routes_are_those_of_the_answer(browser: Browser) -> None:
    with served(asked.two_minutes_of_requests(), asked.NOW) as url:
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.goto(f"{url}/?w=1m&at={time(asked.NOW)}&select=db&focus=db")
        said = answer(url, f"endpoints?select=db&window=1m&at={quote(time(asked.NOW))}&sort=failed")[
            "endpoints"
        ]
        rows = page.locator("#panel .routes tbody tr")
        expect(rows).to_have_count(len(said))
        for row, endpoint in enumerate(said):
            expect(rows.nth(row)).to_contain_text(f"GET/orders/*{endpoint['status']}{endpoint['rate']:.0f}/s")
        expect(page.locator(".node.failing .sub")).to_have_text("40\u00a0% errors")
        page.keyboard.press("/")
        page.keyboard.type("orders")
        expect(page.locator("#found li").first).to_have_text("/orders/*route of db, 1 neighbour")
        page.keyboard.press("Enter")
        expect(page.locator("#chips")).to_contain_text("route:/orders/*")
        context.close()
