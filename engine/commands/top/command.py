"""``tailrace top``: what happens now, in a table that one can sort, filter, freeze and open."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.commands.filter_words import add_filter
from engine.commands.nats_url import nats_url
from engine.config import Config
from engine.secrets import guarded
from model.errors import UsageError
from model.standard_output import moves_cursor

if TYPE_CHECKING:
    from engine.commands.top.app import TopApp

#: In the order of the keys 1 to 7 (``engine.commands.top.pages``, which loads numpy).
PAGE_NAMES = ("workloads", "connections", "failures", "endpoints", "queries", "drops", "listeners")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "top",
        parents=[common],
        help="what happens now, in an interactive table",
        description="Of this machine, or with --nats of all nodes. 1 to 7: workloads, connections, failures, "
        "endpoints, queries of DNS, dropped packets, listeners; /: filter as you type; s, or a click on a title: "
        "sort; space: freeze; enter: all about a row; "
        "q: quit.",
    )
    add_filter(parser)
    parser.add_argument(
        "--nats",
        metavar="URL",
        nargs="?",
        const="",
        help="of all nodes, from NATS (default URL: the configured bus.url)",
    )
    parser.add_argument("--page", choices=PAGE_NAMES, default=PAGE_NAMES[0], help="shown first")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0 when it is left.

    :raises UsageError: without a terminal, or if the filter means nothing.
    """
    if not (os.isatty(0) and sys.__stderr__ and os.isatty(sys.__stderr__.fileno())):
        raise UsageError(
            "top needs a terminal", "use tailrace run, or tailrace observe -f, in pipes and files"
        )
    if not moves_cursor(sys.__stderr__.fileno()):
        raise UsageError(
            f"top needs a terminal that moves its cursor, and TERM is {os.environ.get('TERM', '')!r}",
            "set TERM to the terminal's name, or use tailrace run",
        )
    from engine.commands.top.app import TopApp
    from engine.commands.top.pages import PAGES
    from engine.commands.top.sources import here, nodes
    from model.filter.filter import Filter

    text, page = " ".join(options.filter), PAGE_NAMES.index(options.page)
    Filter(text).of(PAGES[page].kind)
    app = TopApp(page=page, text=text)
    with _log_to(app):
        if options.nats is None:
            asyncio.run(here(app, config))
        else:
            options.nats = options.nats or None
            asyncio.run(nodes(app, nats_url(config, options)))
    return 0


@contextmanager
def _log_to(app: "TopApp") -> Iterator[None]:
    """Lines of the log are shown by the program instead of across its table."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, [_Notes(app)]
    try:
        yield
    finally:
        root.handlers = before


class _Notes(logging.Handler):
    def __init__(self, app: "TopApp") -> None:
        super().__init__()
        self._app = app

    def emit(self, record: logging.LogRecord) -> None:
        """The newest line is shown."""
        self._app.note(guarded(record.getMessage()))
