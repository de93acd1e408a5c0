"""The page in Chromium: its layout beside dagre's, and the first picture of a cold page."""

import datetime
import statistics
from collections.abc import Iterator
from typing import Any, Final

from playwright.sync_api import Browser, Page

from benchmarks.figure import Bar, Reading
from benchmarks.fleet import fleet, second
from tests.page import node_tools
from tests.page.browser import WIDE, chromium
from tests.page.real import served
from tests.page.server import Scene, Server
from tests.unit.store.queries.rows_store import RowsStore

#: Nodes, and the milliseconds that their layout may take.
LAYOUTS: Final = ((200, 30), (1000, 120))
REPEATS: Final = 15
#: The peer takes half a minute for 1,000.
PEER_NODES: Final = 200
PICTURES: Final = 5
PICTURE_NODES: Final = 40
#: Begins with a whole minute.
_BEGIN: Final = 1_796_000_040
_SECONDS: Final = 60
#: The end of the window, as links have it.
_END: Final = datetime.datetime.fromtimestamp(_BEGIN + _SECONDS, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

_OURS: Final = """async ({ ids, edges, repeats }) => {
    const { layered } = await import('/page/layout/layered.js');
    return Array.from({ length: repeats }, () => {
        const begin = performance.now();
        layered(ids, edges);
        return performance.now() - begin;
    });
}"""
_DAGRE: Final = """({ ids, edges }) => {
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 136 });
    graph.setDefaultEdgeLabel(() => ({}));
    ids.forEach((id) => graph.setNode(id, { width: 204, height: 52 }));
    edges.forEach(({ from, to }) => graph.setEdge(from, to));
    const begin = performance.now();
    dagre.layout(graph);
    return performance.now() - begin;
}"""
#: Notes when the first node has been painted.
_WATCH: Final = """new MutationObserver((_, observer) => {
    if (!document.querySelector('.node')) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => {
        document.documentElement.dataset.painted = performance.now();
    }));
}).observe(document, { childList: true, subtree: true });"""


def measure_layout() -> Iterator[Reading]:
    """Milliseconds of a fresh layout with three edges a node."""
    with chromium() as browser, Server(Scene()).running() as server:
        page = browser.new_page()
        page.goto(server.url)
        for nodes, most in LAYOUTS:
            graph = _graph(nodes)
            times = page.evaluate(_OURS, graph | {"repeats": REPEATS})
            peer = _dagre(browser, graph) if nodes <= PEER_NODES else None
            rest = f"the first time {times[0]:.0f} ms, median {statistics.median(times):.0f} ms"
            note = f"{nodes:,} nodes, {len(graph['edges']):,} edges; the best of {REPEATS}; {rest}"
            bar = Bar(at_most=most)
            yield Reading(min(times), "ms", bar, "dagre" if peer else None, peer, "less", note)


def measure_picture() -> Iterator[Reading]:
    """Milliseconds and bytes from nothing until 40 nodes are painted, of a browser that was never here."""
    made = fleet(PICTURE_NODES, 3 * PICTURE_NODES)
    rows = RowsStore([second(made, _BEGIN + at, at) for at in range(_SECONDS)])
    with served(rows, _BEGIN + _SECONDS) as url, chromium() as browser:
        seen = [_first_picture(browser, url) for _ in range(PICTURES)]
    times = [time for time, _, _ in seen]
    _, size, nodes = seen[0]
    note = f"{nodes} nodes; the best of {PICTURES}, median {statistics.median(times):.0f} ms"
    yield Reading(min(times), "ms", Bar(at_most=1000), note=note)
    yield Reading(
        size / 1000, "kB", Bar(at_most=150), note="transferred: page, modules, all answers until then"
    )


def _graph(nodes: int) -> dict[str, Any]:
    made = fleet(nodes, 3 * nodes)
    pairs = zip(made.clients.tolist(), made.servers.tolist(), strict=True)
    edges = [{"from": f"s{client}", "to": f"s{server}"} for client, server in pairs]
    return {"ids": [f"s{number}" for number in range(1, nodes + 1)], "edges": edges}


def _dagre(browser: Browser, graph: dict[str, Any]) -> float:
    """Milliseconds of the peer's layout, once."""
    source = node_tools.installed() / "node_modules" / "@dagrejs" / "dagre" / "dist" / "dagre.min.js"
    page = browser.new_page()
    page.add_script_tag(path=source)
    time: float = page.evaluate(_DAGRE, graph)
    page.close()
    return time


def _first_picture(browser: Browser, url: str) -> tuple[float, int, int]:
    """Milliseconds until it is painted, bytes transferred, nodes."""
    context = browser.new_context(viewport=WIDE)
    context.add_init_script(_WATCH)
    page = context.new_page()
    sizes = _transferred(page)
    page.goto(f"{url}/?w=1m&at={_END}")
    page.wait_for_selector("html[data-painted]")
    time: float = page.evaluate("Number(document.documentElement.dataset.painted)")
    nodes = page.locator(".node").count()
    context.close()
    return time, sum(sizes), nodes


def _transferred(page: Page) -> list[int]:
    """Bytes of each answer as they crossed the wire, headers included; grows while the page loads."""
    sizes: list[int] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    return sizes
