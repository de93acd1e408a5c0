"""A filter on a second's flows, beside the same words asked of each row."""

import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.figure import Bar, Reading
from benchmarks.join_rate import timed
from model.addresses import address_text
from model.batch import Batch
from model.enricher import Entity
from model.filter.filter import Filter
from model.filter.view import BatchView
from model.kinds.flow import FLOW
from tailrace.testing import make_flows

ROWS: Final = 100_000
#: Pods that the connections are spread over.
PODS: Final = 400
REPEATS: Final = 9
#: One that leaves few rows after its first word, and one that leaves most to the end.
FEW: Final = (
    "failed>0 port:5432 ns:shop pod:cart-* zone:a error:ECONNREFUSED rtx>10 rtt>20ms "
    "-process:prometheus since:10m"
)
MOST: Final = (
    "ns:shop pod:cart-* zone:a rtt<20s bytes>0 address:0.0.0.0/0 -process:prometheus -error:EPIPE since:10m"
)


def flows() -> Batch:
    """Of pods, in the second that is."""
    batch = make_flows(ROWS, window=int(time.time()), ipv6=0.0)
    entities: list[Entity] = [{}]
    entities += [
        {"k8s.namespace.name": "shop", "k8s.pod.name": f"cart-{number}", "cloud.availability_zone": "a"}
        for number in range(PODS)
    ]
    random = np.random.default_rng(3)
    for side in ("client", "server"):
        batch.columns[f"{side}.entity.index"][:] = random.integers(1, PODS + 1, ROWS)
    return batch.with_tables(entities=entities)


def by_row(batch: Batch) -> int:
    """The peer: rows as people write a loop over them; of the words of ``MOST`` the first four."""
    index, names = batch.columns["client.entity.index"].tolist(), batch.tables["entities"]
    addresses, rtts = batch.columns["client.address"].tolist(), batch.columns["client.rtt_ns"].tolist()
    found = 0
    for number, address, rtt in zip(index, addresses, rtts, strict=True):
        entity = names[number]
        found += (
            entity.get("k8s.namespace.name") == "shop"
            and entity.get("k8s.pod.name", "").startswith("cart-")
            and rtt < 20 * 10**9
            and "." in address_text(address)
        )
    return found


def measure() -> Iterator[Reading]:
    """Milliseconds for 100,000 rows."""
    batch = flows()
    peer = min(timed(lambda: by_row(batch)) for _ in range(3)) * 1e3
    for words, what in ((FEW, "few rows match"), (MOST, "most rows match")):
        wanted = Filter(words).of(FLOW)
        found = int(wanted(BatchView(batch)).sum())
        seconds = min(timed(lambda: wanted(BatchView(batch))) for _ in range(REPEATS))  # noqa: B023 - called at once
        note = f"{len(words.split())} words, {ROWS:,} rows, {found:,} of them match: {what}"
        yield Reading(seconds * 1e3, "ms", Bar(at_most=3), "loop over rows", peer, "less", note)
