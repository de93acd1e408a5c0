"""The map in a real browser: what is seen, what is reached by clicks and keys, what stays where it is."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from playwright.sync_api import Browser, Page, expect

from tests.page import fleet
from tests.page.browser import (
    AT,
    BEFORE,
    NOW,
    PHONE,
    await_drawn,
    opened,
    picture,
    places,
    scale,
    smallest_text,
)
from tests.page.server import Scene

FOCUSED = ".node:focus .name"
SELECTED = f"/?select=boutique/checkoutservice&{NOW}"


def test_two_clicks_lead_from_the_first_look_to_the_version_that_fails(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        page.click("text=Compare with an hour before")
        page.click("#panel section:has-text('most surprising') li:first-child button")
        expect(page.locator("#panel h2")).to_have_text("checkoutservice → paymentservice:50051")
        expect(page.locator("#panel")).to_contain_text("failed 0 → 37")
        expect(page.locator("#panel .where tr:has-text('v2.12a')")).to_contain_text("62 %")
        expect(page.locator("#panel .cause")).to_have_text(
            "Only caller's version v2.12a: 62 % failed; others 0.1 %; explains 99 %. Not it: zones, ports."
        )
        expect(page.locator("#panel .way")).to_contain_text("rewritten by node-3")
        picture(page, "two-clicks", tmp_path)


def test_the_map_shows_what_fails_by_shape_words_and_line(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"/?{NOW}&{BEFORE}") as (page, _):
        octagon = page.locator(".node.failing .glyph").get_attribute("d") or ""
        assert (
            octagon.count("L")
            + octagon.count("l")
            + octagon.count("h")
            + octagon.count("H")
            + octagon.count("v")
            + octagon.count("V")
            == 7
        )
        expect(page.locator(".label.failing")).to_have_text("✖ 37 refusedp99 1.04 s")
        dashes = page.locator("#edges .edge.failing").evaluate(
            "line => getComputedStyle(line).strokeDasharray"
        )
        dots = page.locator("#edges .edge.lossy").evaluate("line => getComputedStyle(line).strokeDasharray")
        assert dashes != dots != "none" != dashes
        for status in ("degraded", "new", "gone"):
            expect(page.locator(f".node.{status}")).to_have_count(1)
        picture(page, "compared", tmp_path)


def test_a_line_says_why_its_packets_were_dropped(browser: Browser, tmp_path: Path) -> None:
    """Behind the verdict, at the desk and on a phone, with nothing cut off."""
    made = fleet.boutique()
    (edge,) = (each for each in made["edges"] if each["dropped"])
    shapes: tuple[tuple[str, dict[str, Any]], ...] = (("drops", {}), ("drops-phone", {"viewport": PHONE}))
    for name, options in shapes:
        link = f"/?focus={edge['id']}&select=data/redis-cart&{NOW}"
        with opened(browser, Scene(), link, **options) as (page, _):
            panel = page.locator("#panel")
            expect(panel).to_contain_text("Network: 4.1 % of segments retransmitted")
            expect(panel.locator("tr:has-text('netfilter FORWARD on node-3')")).to_contain_text("312")
            expect(panel.locator("tr:has-text('qdisc on node-1')")).to_contain_text("4")
            assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
            panel.locator("text=Network or application").scroll_into_view_if_needed()
            picture(page, name, tmp_path)


def test_all_text_can_be_read_at_every_size(browser: Browser, tmp_path: Path) -> None:
    for name, link, options in (
        ("boutique", SELECTED, {}),
        ("dark", f"{SELECTED}&{BEFORE}", {"color_scheme": "dark"}),
        ("fan", f"/?select=data/jobs-db&{NOW}", {}),
        ("phone-map", f"{SELECTED}&view=graph", {"viewport": PHONE}),
    ):
        with opened(browser, Scene("fan" if name == "fan" else "boutique"), link, **options) as (page, _):
            assert scale(page) >= 0.72
            assert smallest_text(page) >= 11
            picture(page, name, tmp_path)
            for _press in range(5):
                page.keyboard.press("-")
            assert scale(page) >= 0.72


def test_three_hundred_callers_are_the_failing_ones_and_one_stack(browser: Browser) -> None:
    with opened(browser, Scene("fan"), f"/?select=data/jobs-db&{NOW}") as (page, _):
        expect(page.locator(".node")).to_have_count(10)
        page.click(".node:has-text('292 callers')")
        page.click("text=Show each on the map")
        expect(page.locator(".node")).to_have_count(301)


def test_nothing_jumps_when_the_next_second_brings_the_same(browser: Browser) -> None:
    same = fleet.boutique()
    scene = Scene(stream=[same, same, same | {"of": 99}])
    scene.streams.clear()
    with opened(browser, scene, "/?focus=boutique/frontend") as (page, _):
        page.locator("#closer").click()
        before = places(page)
        page.wait_for_selector(".node >> nth=30")
        page.locator("#panel").evaluate("panel => panel.scrollTop = 40")
        scene.streams.set()
        expect(page.locator("#count")).to_contain_text("of 99")  # the last of three answers that come at once
        assert places(page) == before
        assert page.locator("#panel").evaluate("panel => panel.scrollTop") == 40
        expect(page.locator(".node.focused .name")).to_have_text("frontend")


def test_a_live_map_gets_what_is_new_and_leaves_the_rest_where_it_is(browser: Browser) -> None:
    more = fleet.boutique()
    came = {**more["nodes"][0], "id": 900, "key": "boutique/came", "name": "came"}
    edge = fleet.plain_edge(900, more["nodes"][1]["id"], 80, 1000, 3)
    more = {**more, "nodes": [*more["nodes"], came], "edges": [*more["edges"], edge], "shown": 38, "of": 38}
    scene = Scene(stream=[more])
    scene.streams.clear()
    with opened(browser, scene) as (page, _):
        before = places(page)
        scene.streams.set()
        page.wait_for_selector(".node:has-text('came')")
        after = places(page)
        moved = [abs(after[name][1] - y) for name, (_, y) in before.items() if name in after]
        assert sum(moved) / len(moved) <= 33 * scale(page)


def test_keys_reach_everything(browser: Browser) -> None:
    with opened(browser, Scene(), SELECTED) as (page, _):
        press = page.keyboard.press
        press("3")
        expect(page.locator("#hops")).to_have_value("3")
        press("d")
        expect(page.locator("#dir")).to_have_value("up")
        press("e")
        expect(page.locator("#errors")).to_have_attribute("aria-pressed", "true")
        press("e")
        press("p")
        expect(page.locator("#fold")).to_have_attribute("aria-pressed", "true")
        press("c")
        expect(page.locator("#time")).to_contain_text("against 02:13:00")
        press("[")
        expect(page.locator("#day")).to_contain_text("03:08:00")
        press("]")
        press("t")
        expect(page.locator("#table table")).to_be_visible()
        press("t")
        press("l")
        expect(page.locator("#live")).to_have_attribute("aria-pressed", "true")
        press("?")
        expect(page.locator("#keys")).to_contain_text("tailrace map boutique/checkoutservice --hops 3 --up")
        press("Escape")
        press("Escape")
        expect(page.locator("#chips li")).to_have_count(0)


def test_each_key_of_the_list_does_what_it_says(browser: Browser) -> None:
    with opened(browser, Scene(), SELECTED) as (page, server):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        press = page.keyboard.press
        for hops in "1423":
            press(hops)
            expect(page.locator("#hops")).to_have_value(hops)
        for turned in ("up", "down", "both"):
            press("d")
            expect(page.locator("#dir")).to_have_value(turned)
        await_drawn(page)
        before = scale(page)
        press("+")
        assert scale(page) > before
        press("-")
        press("0")
        assert scale(page) == before
        press("y")
        expect(page.locator("#link-word")).to_have_text("Copied ✓")
        assert page.evaluate("navigator.clipboard.readText()") == page.url
        press("/")
        expect(page.locator("#query")).to_be_focused()
        press("3")
        expect(page.locator("#query")).to_have_value("3")
        press("Escape")
        press("?")
        listed = page.locator("#keys kbd").all_text_contents()
        press("Escape")
        assert {"/", "1 2 3 4", "d", "t", "c", "[ ]", "l", "e", "+ −", "0", "y", "Esc", "?"} <= set(listed)
        page.locator(".node:has-text('cartservice')").first.focus()
        press("Enter")
        press("Shift+Enter")
        expect(page.locator("#chips li")).to_have_count(2)
        press("Escape")
        press("Escape")
        expect(page.locator("#chips li")).to_have_count(0)


def test_a_link_of_now_has_an_absolute_time(browser: Browser) -> None:
    with opened(browser, Scene()) as (page, server):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        assert "at=" not in page.url
        page.keyboard.press("y")
        expect(page.locator("#link-word")).to_have_text("Copied ✓")
        assert f"?{NOW}" in unquote(page.evaluate("navigator.clipboard.readText()"))


def test_instances_are_listed_with_node_image_and_time(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Scene(), f"{SELECTED}&focus=boutique/checkoutservice") as (page, server):
        listed = page.locator("#panel .instances li")
        expect(listed).to_have_count(2)
        for words in (
            "checkoutservice-7d9f on node-3",
            "boutique/checkoutservice:v2.12a",
            "seen Sun 29 Nov 03:00:02 to 03:12:59 UTC",
        ):
            expect(listed.first).to_contain_text(words)
        expect(listed.nth(1)).to_contain_text("seen Sat 28 Nov 03:13:00 to Sun 29 Nov 03:12:59 UTC")
        expect(page.locator("#panel")).to_contain_text("and 12 more")
        assert [path for path in server.scene.asked if "instances?" in path and "checkoutservice" in path]
        page.locator("#panel .instances").scroll_into_view_if_needed()
        picture(page, "instances", tmp_path)


def test_arrows_walk_along_edges_with_a_focus_that_is_seen(browser: Browser) -> None:
    with opened(browser, Scene(), SELECTED) as (page, _):
        page.locator(".node.selected").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(FOCUSED)).to_have_text("paymentservice")
        width = page.locator(".node:focus .box").evaluate("box => getComputedStyle(box).strokeWidth")
        assert width == "5px"
        page.keyboard.press("Enter")
        expect(page.locator("#panel h2")).to_have_text("paymentservice")
        page.keyboard.press("Enter")
        expect(page.locator("#chips")).to_contain_text("boutique/paymentservice")


def test_search_finds_and_filters_from_the_keyboard(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        page.keyboard.press("/")
        page.keyboard.type("cart")
        page.wait_for_selector("#found li")
        page.keyboard.press("Enter")
        expect(page.locator("#chips")).to_contain_text("boutique/cartservice")
        page.keyboard.press("/")
        page.keyboard.type("failed>0 zone:a")
        page.keyboard.press("Enter")
        expect(page.locator("#chips")).to_contain_text("failed>0 zone:a")
        assert "q=failed>0+zone:a" in unquote(page.url)


def test_a_link_brings_back_the_same_view_with_its_time(browser: Browser) -> None:
    link = f"{SELECTED}&hops=3&{BEFORE}&focus=boutique/checkoutservice>boutique/paymentservice:50051"
    with opened(browser, Scene(), link) as (page, server):
        expect(page.locator("#panel h2")).to_have_text("checkoutservice → paymentservice:50051")
        expect(page.locator("#hops")).to_have_value("3")
        expect(page.locator("#day")).to_have_text("Sun 29 Nov 03:13:00 UTC")
        asked = [path for path in server.scene.asked if path.startswith("/api/v1/map")]
        assert "at=2026-11-29T03:13:00Z" in unquote(asked[0])
        page.keyboard.press("4")
        page.go_back()
        expect(page.locator("#hops")).to_have_value("3")


def test_brushes_move_the_window_and_what_it_is_compared_with(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}&{BEFORE}") as (page, _):
        drag(page, ".brush.window rect", -200)
        expect(page.locator("#day")).not_to_contain_text("03:13:00")
        page.locator(".brush.against").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#time")).to_contain_text("against 02:14:00")
        page.keyboard.press("Shift+ArrowLeft")
        expect(page.locator("#time")).to_contain_text("against 02:09:00")


def test_a_deploy_is_chosen_to_compare_before_and_after_it(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        page.click("#bar .moment:has-text('v2.12a') text")
        expect(page.locator("#day")).to_contain_text("03:05:00")
        expect(page.locator("#time")).to_contain_text("against 03:00:00")
        page.locator("#bar .moment").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#time")).to_contain_text("against 02:33:00")


def test_a_button_that_is_being_pressed_is_not_taken_away(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        listed = page.locator("#panel li:first-child button").first
        listed.hover()
        page.mouse.down()
        page.keyboard.press("c")  # what changed joins what is wrong: the panel would be made anew
        expect(page.locator("#compare")).to_have_attribute("aria-pressed", "true")
        page.wait_for_selector(".node.gone")
        page.mouse.up()
        expect(page.locator("#panel h2")).to_have_text("checkoutservice → paymentservice:50051")


def test_the_time_bar_shows_deploys_and_what_is_not_known(browser: Browser) -> None:
    with opened(browser, Scene(), f"/?{NOW}") as (page, _):
        expect(page.locator("#bar")).to_contain_text("▲ checkoutservice v2.12a")
        expect(page.locator("#bar .gap")).to_have_count(1)
        assert page.evaluate(f"new Date({AT} * 1000).toISOString()") == "2026-11-29T03:13:00.000Z"


def drag(page: Page, selector: str, by: int) -> None:
    """With the pointer, in pixels to the right."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=4)
    page.mouse.up()


def test_requests_stand_at_lines_and_their_routes_in_the_panel(browser: Browser, tmp_path: Path) -> None:
    link = f"/?select=boutique/frontend&{NOW}"
    with opened(browser, Scene("requests"), link) as (page, server):
        expect(page.locator(".label.failing").first).to_have_text("✖ 40\u00a0% errors")
        expect(page.locator("#labels, #edges").first).to_be_visible()
        expect(page.locator(".label", has_text="req/s").first).to_be_visible()
        page.click("#panel section:has-text('Wrong') li button:has-text('recommendationservice')")
        expect(page.locator("#panel p.status").first).to_have_text(
            "failing: 2,400 of 6,000 requests failed (40\u00a0%)"
        )
        table = page.locator("#panel .routes")
        expect(page.locator("#panel h3").nth(2)).to_have_text("Routes (17)")
        heads = table.locator("th").all_inner_texts()
        assert [head.strip(" ▾▴") for head in heads] == [
            *("Method", "Endpoint", "Code", "rate", "errors", "p50", "p99")
        ]
        rows = table.locator("tbody tr")
        expect(rows.first).to_contain_text("GET/recommendations/*5036/s100%400ms1.2s")
        expect(rows).to_have_count(12)
        table.locator("th button", has_text="rate").click()
        expect(rows.first).to_contain_text("GET/recommendations/*20012/s01.3ms4ms")
        table.locator("th button", has_text="p99").click()
        expect(rows.first).to_contain_text("503")
        expect(rows.first.locator(".failing")).to_have_text(["503", "100%"])
        table.locator("th button", has_text="Code").click()
        expect(rows.first).to_contain_text("503")
        table.locator("th button", has_text="Code").click()
        expect(rows.first).to_contain_text("200")
        page.click("#panel button:has-text('show all')")
        expect(rows).to_have_count(17)
        path = page.locator("#panel section:has-text('Through proxies')")
        expect(path).to_contain_text("boutique/frontend → mesh/envoy round trip 210 µs / 900 µs, 0 of 4")
        expect(path).to_contain_text("mesh/envoy → boutique/recommendationservice round trip 420 µs")
        expect(path).to_contain_text("40 µs before mesh/envoy, 1.9 ms behind it, 60 µs on the way back")
        picture(page, "routes", tmp_path)
        page.click(".node:has-text('recommendationservice')")
        expect(page.locator("#panel h3:has-text('Routes that it calls')")).to_be_visible()
        expect(page.locator("#panel .routes").last).to_contain_text("gRPC 0")
        expect(page.locator("#panel")).to_contain_text("serves 20 req/s · 40\u00a0% errors · p50 2.1 ms")
        picture(page, "routes-of-a-node", tmp_path)
        page.keyboard.press("t")
        expect(page.locator("#table tbody tr").first).to_contain_text("40\u00a0%")
        assert any("/endpoints?" in each for each in server.scene.asked)
        assert any("/where?" in each and "of=requests" in each for each in server.scene.asked)
