"""A minute of a small fleet that is well, and one in which a version fails; what has gone and what has come."""

from typing import Any

import msgspec
import numpy as np

from benchmarks.fleet import Fleet, boutique, second
from store.queries.questions import QUESTIONS, Answered, ask, parameters_of
from store.reading import ChainHop, Chains, Gap, Instance, Instances
from tests.unit.store.queries.rows_store import RowsStore

#: Begins with a whole minute.
BEGIN = 1_796_000_040
MINUTE = 60
NOW = float(BEGIN + 2 * MINUTE)
BAD_VERSION = "v2.12a"


def two_minutes(nodes: int = 3, rewriter: str = "n3") -> RowsStore:
    """The second one with failures; ``adservice`` has gone, ``redis-cart`` has come.

    :param nodes: that instances run on.
    :param rewriter: that chains name.
    """
    whole = boutique()
    before, now = whole.without("redis-cart"), whole.without("adservice").broken(BAD_VERSION, 0.6)
    batches = [_second(before, at) for at in range(MINUTE)] + [
        _second(now, MINUTE + at) for at in range(MINUTE)
    ]
    store = RowsStore(batches)
    gaps = [Gap("n9", BEGIN + 10, BEGIN + 20, "away")]
    return RowsStore(batches, instances_of(store, nodes), _chains(store, rewriter), gaps)


def _second(made: Fleet, at: int) -> Any:
    return second(made, BEGIN + at, at)


def instances_of(store: RowsStore, nodes: int = 1) -> Instances:
    """Two pods of each workload, in the region of its zone."""
    parts, ids = [], []
    for number, part in enumerate(store.ids):
        for copy in range(2):
            pod = f"{part.name}-{number:x}-{copy}"
            parts.append(
                Instance(
                    f"n{number % nodes}",
                    pod,
                    "",
                    part.name,
                    f"shop/{part.name}:{part.version}",
                    f"10.8.{number}.{copy}",
                    {"a": "west", "b": "west", "c": "east"}.get(part.zone, ""),
                )
            )
            ids.append(store.ids[part])
    count = len(ids)
    return Instances(np.array(ids), parts, np.full(count, BEGIN), np.full(count, BEGIN + 2 * MINUTE - 1))


def _chains(store: RowsStore, rewriter: str) -> Chains:
    """Half of the connections of each edge to paymentservice by one way, half by another."""
    edges = [id for key, id in store.edge_ids.items() if key[1].name == "paymentservice" for _ in range(2)]
    address = [part.address for part in instances_of(store).parts if part.process == "paymentservice"]
    hops = [
        (ChainHop("", "10.96.0.17", 50051, rewriter), ChainHop("", address[number % 2], 50051, ""))
        for number in range(len(edges))
    ]
    count = len(edges)
    numbers = np.arange(1, count + 1)
    columns = [
        numbers,
        numbers,
        numbers * 100,
        numbers * 200,
        numbers * 0,
        numbers * 0 + BEGIN,
        numbers * 0 + BEGIN + 99,
    ]
    return Chains(np.array(edges), hops, *columns)


def asked(store: RowsStore, question: str, **said: Any) -> Answered:
    """The answer, asked at the end of the second minute; the window is that minute if nothing else is said."""
    words = {
        name.rstrip("_"): value if isinstance(value, list) else [str(value)] for name, value in said.items()
    }
    if not words.keys() & {"at", "from", "to", "window"}:
        words["window"] = ["60s"]
    return ask(store, QUESTIONS[question], parameters_of(QUESTIONS[question], words), NOW)


def data(store: RowsStore, question: str, **said: Any) -> dict[str, Any]:
    """Its data as JSON has it."""
    built: dict[str, Any] = msgspec.to_builtins(asked(store, question, **said).data)
    return built
