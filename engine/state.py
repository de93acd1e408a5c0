"""The state of a role as lines of the log: rows per second, queues, losses, probes; for whoever sends SIGUSR1."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from engine.graph import Graph

#: Over which rates are taken, from the signal on.
SECONDS: Final = 1.0

log = logging.getLogger(__name__)
#: It is asked for: shown whatever ``log_level`` is.
log.setLevel(logging.INFO)


class Flow(NamedTuple):
    """What went through an actor or a sink so far, in rows."""

    received: int
    handed_on: int


def log_state(graph: Graph) -> None:
    """Log it when rates are known."""
    loop = asyncio.get_running_loop()
    before, began = flows(graph), loop.time()

    def tell() -> None:
        for line in state_lines(graph, before, loop.time() - began):
            log.info("%s", line)

    loop.call_later(SECONDS, tell)


def flows(graph: Graph) -> dict[str, Flow]:
    """What went through each part so far, by its name."""
    actors = {
        f"actor {name}": Flow(one.received_rows, one.sent_rows) for name, one in graph.statistics().items()
    }
    sinks = {
        f"sink {name}": Flow(one.received_rows, one.delivered_rows) for name, one in graph.sinks().items()
    }
    return actors | sinks


def state_lines(graph: Graph, before: Mapping[str, Flow], seconds: float) -> Iterator[str]:
    """A line for each part, then losses and probes.

    :param before: what ``flows`` said so many seconds ago.
    """
    waiting = {
        f"actor {name}": f"{one.waiting} of {one.limit} items wait"
        for name, one in graph.statistics().items()
    }
    waiting |= {f"sink {name}": f"{one.queued_rows:,} rows wait" for name, one in graph.sinks().items()}
    for name, now in flows(graph).items():
        earlier = before.get(name, Flow(0, 0))
        rates = [(to - since) / seconds for since, to in zip(earlier, now, strict=True)]
        yield f"{name}: {rates[0]:,.0f} rows/s in, {rates[1]:,.0f} out; {waiting[name]}"
    yield f"lost: {', '.join(_losses(graph)) or 'nothing'}"
    yield from (f"probe {name}: {hook or 'off'}" for name, hook in graph.probes().items())


def _losses(graph: Graph) -> Iterator[str]:
    for name, stage in graph.ledger.stages.items():
        for reason, count in (+stage.dropped).items():
            yield f"{count:,} {stage.unit} of {name} ({reason})"
