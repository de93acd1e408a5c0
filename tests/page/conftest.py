"""One browser for each file of tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.page.browser import chromium

# Five seconds by default, which a machine with other work misses.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Started once; each test has a context of its own."""
    with chromium() as started:
        yield started
