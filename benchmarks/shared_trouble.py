"""What trouble of several engines costs: bytes on the bus, processor time of those who count and of who judges."""

from collections import defaultdict
from collections.abc import Iterator
from time import process_time
from typing import Final

import numpy as np

from actors.items import Window
from actors.rules.rules import Rules
from actors.trouble.counted import decoded, encoded
from actors.trouble.counting import Counting
from actors.trouble.instances import Instance
from actors.trouble.shared_watch import Ill, KeptState, SharedWatch
from benchmarks.figure import NO_BAR, Reading
from model.batch import Batch
from model.kinds.workload import OTHER, WORKLOAD
from model.ledger import Ledger

EDGES: Final = 10_000
_WORKLOADS: Final = 2_000
_PODS: Final = 4
_ENGINES: Final = 2
_TICK_S: Final = 10
_TICKS: Final = 12
#: Ticks in which memory grows and names are learnt.
_FIRST: Final = 2
#: Bytes of a message of NATS at most, by default.
_MESSAGE: Final = 1 << 20
_BEGIN: Final = 1_800_000_000


class Traffic:
    """Edges between workloads of four pods each, of which another pair talks each second."""

    def __init__(self) -> None:
        self._chance = np.random.default_rng(1)
        self._table = [OTHER] + [
            Instance(
                f"service-{number}", "Deployment", f"team-{number % 40}", f"zone-{pod % 3}", f"v{number % 7}",
                f"node-{(number * _PODS + pod) % 300}", f"registry/service-{number}:v{number % 7}",
                f"service-{number}-{number * 7919 % 65536:x}-{pod}",
            )
            for number in range(_WORKLOADS)
            for pod in range(_PODS)
        ]  # fmt: skip
        self._ends = self._chance.integers(0, _WORKLOADS, (2, EDGES))
        self._port = self._chance.choice([80, 443, 5432, 8080, 9092], EDGES)

    def second(self, at: int) -> list[Window]:
        """What each engine sees of it."""
        chance, columns = self._chance, WORKLOAD.empty(EDGES)
        pods = chance.integers(0, _PODS, (2, EDGES))
        for side, ends, pod in zip(("client", "server"), self._ends, pods, strict=True):
            columns[f"{side}.workload.index"][:] = 1 + ends * _PODS + pod
        columns["server.port"][:] = self._port
        columns["connections.opened"][:] = chance.poisson(3, EDGES)
        columns["connections.failed"][:] = chance.random(EDGES) < 0.003
        columns["connections.closed"][:] = chance.poisson(3, EDGES)
        columns["sent_segments"][:] = chance.poisson(200, EDGES)
        columns["retransmitted_segments"][:] = chance.random(EDGES) < 0.1
        columns["requests"][:] = chance.poisson(20, EDGES)
        columns["requests.failed"][:] = chance.random(EDGES) < 0.01
        columns["bytes"][:] = chance.lognormal(10, 2, EDGES)
        columns["reply_bytes"][:] = chance.lognormal(12, 2, EDGES)
        whole = Batch(WORKLOAD, "engine", "boot", at, _BEGIN + at, columns, {"workloads": self._table})
        of = chance.integers(0, _ENGINES, EDGES)
        return [Window(_BEGIN + at, (whole.take(of == number),)) for number in range(_ENGINES)]


def measure() -> Iterator[Reading]:
    """By the second, of 10,000 edges that all have traffic."""
    traffic = Traffic()
    engines = [Counting(Ledger(), _TICK_S, Rules(())) for _ in range(_ENGINES)]
    judge = SharedWatch(Ledger(), {}, _TICK_S, Rules(()))
    spent: defaultdict[str, float] = defaultdict(float)
    for at in range(_TICKS * _TICK_S):
        if at == _FIRST * _TICK_S:
            spent.clear()
        for number, (engine, window) in enumerate(zip(engines, traffic.second(at), strict=True)):
            begin = process_time()
            messages = [data for counted in engine.handle(window) for data in encoded(counted, _MESSAGE)]
            spent["count"] += process_time() - begin
            spent["bytes"] += sum(map(len, messages))
            spent["messages"] += len(messages)
            begin = process_time()
            for item in [each for data in messages for each in judge.add(str(number), decoded(data))]:
                match item:
                    case KeptState(_, state):
                        spent["state"] += len(state)
                    case Ill(edges):
                        spent["bytes"] += edges.nbytes
            spent["judge"] += process_time() - begin
    seconds = (_TICKS - _FIRST) * _TICK_S
    note = f"{EDGES:,} edges, {_ENGINES} engines, {EDGES:,} rows a second of {_PODS}x{_PODS} pods"
    yield Reading(spent["bytes"] / seconds / 1e3, "kB/s of counts", NO_BAR, note=note)
    yield Reading(spent["state"] / seconds / 1e3, "kB/s of state", NO_BAR, note="before it is compressed")
    yield Reading(
        100 * spent["judge"] / seconds, "% of a core to judge", NO_BAR, note="the engine that leads"
    )
    yield Reading(
        100 * spent["count"] / seconds / _ENGINES, "% of a core to count", NO_BAR, note="each engine"
    )
