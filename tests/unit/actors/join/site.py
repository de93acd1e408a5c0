"""A joiner, and the ends of a connection that report to it, for tests."""

from collections import Counter
from typing import Any

import numpy as np

from actors.join.joiner import Joiner
from model.batch import Batch
from model.chains import HOP, Chains
from model.kinds.delta import DELTA, Role
from model.ledger import Ledger
from tests.nat_events import End, socket_row
from tests.plain_rows import plain_rows

SECOND = 10**9


CLIENT, SERVER = ("10.0.0.5", 40000), ("10.1.0.1", 8080)


Flow = dict[str, Any]


class Site:
    """A joiner, and the flows that came out of it."""

    def __init__(self, flows: int = 64) -> None:
        self.ledger = Ledger()
        self.joiner = Joiner("site", "boot", self.ledger, flows=flows)

    def join(self, window: int, *batches: Batch) -> list[Flow]:
        for batch in batches:
            self.joiner.add(batch)
        return [row for batch in self.joiner.close(window) for row in plain_rows(batch)]

    @property
    def noted(self) -> Counter[str]:
        return self.ledger.stages["join"].noted


def client(slot: int = 1, to: End = SERVER, **values: Any) -> dict[str, Any]:
    return socket_row(CLIENT, to, Role.CLIENT, socket__slot=slot, socket__generation=1, **values)


def server(slot: int = 2, peer: End = CLIENT, **values: Any) -> dict[str, Any]:
    return socket_row(SERVER, peer, Role.SERVER, socket__slot=slot, socket__generation=1, **values)


def rewritten(batch: Batch, service: End, source: End = CLIENT) -> Batch:
    """``batch``, whose first row's client called ``service`` and came out as what the row says."""
    hops = np.zeros(2, HOP)
    columns = batch.columns
    for place, (address, port) in (("source", source), ("destination", service)):
        hops[f"{place}_port"][0] = port
        hops[f"{place}_address"][0] = np.void(b"\0" * 10 + b"\xff\xff" + bytes(map(int, address.split("."))))
        hops[f"{place}_port"][1] = columns[f"connection.{place}.port"][0]
        hops[f"{place}_address"][1] = columns[f"connection.{place}.address"][0]
    columns["nat.index"][0] = 1
    return Batch(
        DELTA,
        batch.node,
        batch.boot,
        batch.seq,
        batch.window,
        columns,
        {"chains": Chains(np.array([2], np.uint8), hops)},
    )
