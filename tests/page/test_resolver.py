"""Lines of queries of DNS: that they fail is said on the line, at its resolver, in the panel and in the table."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.page.browser import NOW, PHONE, WIDE, opened, picture
from tests.page.server import Scene


@pytest.mark.parametrize(("name", "scheme"), [("dns", "light"), ("dns-dark", "dark"), ("dns-phone", "light")])
def test_a_resolver_that_fails_is_told_of_everywhere(
    browser: Browser, tmp_path: Path, name: str, scheme: str
) -> None:
    """With its share, its transport, and names in place of numbers."""
    size = PHONE if name == "dns-phone" else WIDE
    with opened(browser, Scene("dns"), f"/?{NOW}", viewport=size, color_scheme=scheme) as (page, _):
        wrong = page.locator("#panel .list li").filter(has_text="resolver:53/udp")
        expect(wrong).to_contain_text("600 of 4,800 queries of DNS failed (13 %)")
        row = page.locator("#table tr").filter(has_text="data/resolver:53/udp")
        expect(row).to_contain_text("13 % of DNS")
        picture(page, name, tmp_path)
        wrong.locator("button").click()
        rows = page.locator("#panel table.rows tr")
        expect(rows.filter(has_text="queries of DNS")).to_contain_text("4.8k")
        expect(rows.filter(has_text="failed queries")).to_contain_text("600 (13 %)")
        expect(rows.filter(has_text="lost")).to_contain_text("0 of 9.6k datagrams")
        picture(page, f"{name}-panel", tmp_path)
