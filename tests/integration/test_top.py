"""``tailrace top --nats`` on a real terminal, against a real server."""

import sys
import time
from dataclasses import replace

from tailrace.testing.flows import make_flows
from tests.integration.observing import publish
from tests.nats_server import NatsServer, nats_server
from tests.terminal import on_terminal

__all__ = ["nats_server"]

_MAIN = "from engine.cli import main; main()"


async def test_it_shows_what_engines_publish(nats_server: NatsServer) -> None:
    """Flows of two nodes, a second that is over; a word of the command line filters them."""
    now = int(time.time())
    for node, rows in (("a", 30), ("b", 12)):
        for window in (now, now + 1):
            await publish(nats_server, replace(make_flows(rows), node=node, window=window, seq=window))
    command = [sys.executable, "-c", _MAIN, "top", "--nats", nats_server.url(), "--page", "connections"]
    with on_terminal(command) as terminal:
        assert terminal.shows("nodes 2  flows 42  "), terminal.text
        terminal.press("q")
        assert terminal.ends() == 0
    with on_terminal([*command, "failed>0"]) as terminal:
        assert terminal.shows("nodes 2  flows "), terminal.text
        assert terminal.shows(" of 42"), terminal.text
        terminal.press("q")
        assert terminal.ends() == 0


async def test_a_server_that_is_not_there_is_one_line() -> None:
    """The terminal is as it was, and the line says what to do."""
    command = [sys.executable, "-c", _MAIN, "top", "--nats", "nats://127.0.0.1:1"]
    with on_terminal(command) as terminal:
        assert terminal.shows("tailrace: "), terminal.text
        assert terminal.ends() == 1
        assert "Traceback" not in terminal.text
