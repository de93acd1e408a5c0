"""How many flow rows a second of processor time sums up by workload, beside a loop over rows."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from actors.workloads.workloads import Workloads
from benchmarks.children import alone
from benchmarks.figure import NO_BAR, Bar, Reading
from benchmarks.peers.pair_loop import pair_sums
from engine.commands.process import give_memory_back
from model.batch import Batch
from model.enricher import Entity
from model.kinds.flow import FLOW, FlowEvidence
from model.ledger import Ledger

BAR: Final = Bar(at_least=3e6)
ROWS: Final = 100_000
#: Workloads, each of which calls so many others.
WORKLOADS: Final = 400
CALLED: Final = 5
ROUNDS: Final = 15
PEER_ROUNDS: Final = 3
_LARGEST: Final = {
    "tx_bytes": 10**6,
    "rx_bytes": 10**6,
    "retransmitted_segments": 3,
    "rtt_ns": 10**8,
}


def flows(*, processes: bool) -> Batch:
    """A second of one place: both ends of each connection are known.

    :param processes: by the names of their processes alone; else each has a workload of Kubernetes.
    """
    random = np.random.default_rng(1)
    columns = FLOW.empty(ROWS)
    client = random.integers(1, WORKLOADS + 1, ROWS)
    ends = {"client": client, "server": (client * 7 + random.integers(0, CALLED, ROWS)) % WORKLOADS + 1}
    for side, numbers in ends.items():
        columns[f"{side}.entity.index"][:] = numbers
        columns[f"{side}.process.comm"][:] = np.char.add("process-", numbers.astype(str)).astype("S16")
        columns[f"{side}.reported"][:] = 1
        for name, largest in _LARGEST.items():
            columns[f"{side}.{name}"][:] = random.integers(1, largest, ROWS)
    columns["server.port"][:] = 8080
    columns["evidence"][:] = FlowEvidence.BOTH
    columns["network.transport"][:] = 6
    columns["connection.opened"][:] = random.random(ROWS) < 0.1
    columns["connection.closed"][:] = random.random(ROWS) < 0.1
    columns["connection.connect_latency_ns"][:] = random.integers(1, 10**8, ROWS)
    entities = [{}, *(_entity(number, processes=processes) for number in range(WORKLOADS))]
    return Batch(FLOW, "engine", "boot", 0, 1, columns, {"entities": entities})


def _entity(number: int, *, processes: bool) -> Entity:
    machine = {"host.name": f"node-{number}", "cloud.availability_zone": f"zone-{number % 3}"}
    if processes:
        return machine
    name = {"k8s.workload.name": f"workload-{number}", "k8s.workload.kind": "Deployment"}
    return machine | name | {"k8s.namespace.name": f"namespace-{number % 20}", "service.version": "1.2.3"}


def _best(task: Callable[[], Any], rounds: int) -> float:
    """Seconds of processor time of the round that was disturbed least."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        task()
        taken.append(time.process_time() - begin)
    return min(taken)


def rates(processes: bool) -> tuple[float, float]:
    """Rows per second of processor time: ours, the peer's."""
    give_memory_back()
    batch = flows(processes=processes)
    chunks, workloads = list(batch.chunked()), Workloads(Ledger())
    made = workloads.of(chunks)
    assert sum(int(part.columns["bytes"].sum()) for part in made) == int(
        batch.columns["client.tx_bytes"].sum()
    )
    peer = replace(batch, columns={name: column[: ROWS // 10] for name, column in batch.columns.items()})
    return (
        ROWS / _best(lambda: workloads.of(chunks), ROUNDS),
        len(peer) / _best(lambda: pair_sums(peer), PEER_ROUNDS),
    )


def measure() -> Iterator[Reading]:
    """With a workload for each end, and with the names of processes alone."""
    for processes, what in ((False, "workloads of Kubernetes"), (True, "ends known by process alone")):
        mine, peer = alone(rates, processes)
        note = f"{ROWS:,} rows, {WORKLOADS * CALLED:,} pairs, {what}"
        yield Reading(mine, "rows/s", NO_BAR if processes else BAR, "dict per pair", peer, "more", note)
