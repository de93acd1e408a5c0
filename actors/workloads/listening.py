"""Listeners that dropped connections, as rows of workloads: who asked nobody knows, who did not answer is known."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from actors.items import Chunk
from model.actor import Actor
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.listener import LISTENER
from model.kinds.workload import OTHER, WORKLOAD, Workload
from model.kinds.workload.names import WorkloadNames
from model.ledger import Ledger

#: Seconds for which a listener has rows after it dropped something, so that it is seen to be well again.
AFTER_S: Final = 60
#: Listeners that are remembered at most; the oldest make room.
MOST: Final = 65_536
#: Of batches made here, behind the boot: other rows of workloads have numbers of their own.
SUFFIX: Final = ".listeners"


class Listening(Actor):
    """Makes rows of workloads of rows of listeners, whose client is ``OTHER``.

    :param names: as for workloads.
    """

    def __init__(self, ledger: Ledger, names: WorkloadNames | None = None) -> None:
        self._stage = ledger.stage("listening", "rows")
        self._names = names or WorkloadNames()
        self._dropped: OrderedDict[tuple[str, int], int] = OrderedDict()  # the last window in which it did

    def handle(self, item: Any) -> Iterator[Any]:
        """Chunks of rows of workloads; nothing is passed on."""
        match item:
            case Chunk() if item.batch.kind is LISTENER:
                self._stage.received += len(item.batch)
                made = self._made(item.batch)
                self._stage.delivered += len(item.batch)
                if made is not None:
                    yield Chunk(made, item.partition)

    def _made(self, batch: Batch) -> Batch | None:
        rows = self._under_pressure(batch)
        if not len(rows):
            return None
        overflows = batch.columns["listener.overflows"][rows]
        columns = WORKLOAD.empty(len(rows))
        columns["server.port"] = batch.columns["network.local.port"][rows]
        columns["network.transport"] = batch.columns["network.transport"][rows]
        columns["listener.overflows"] = overflows
        columns["listener.attempts"] = overflows + batch.columns["listener.accepted"][rows]
        workloads = [OTHER]
        places: dict[Workload, int] = {}
        for place, row in enumerate(rows.tolist()):
            who = self._who(batch, row)
            if who not in places:
                places[who] = len(workloads)
                workloads.append(who)
            columns["server.workload.index"][place] = places[who]
        tables = {"workloads": workloads, "histograms": Histograms()}
        return Batch(WORKLOAD, batch.node, batch.boot + SUFFIX, batch.seq, batch.window, columns, tables)

    def _under_pressure(self, batch: Batch) -> np.ndarray:
        """Rows of listeners that dropped something of late."""
        ids = batch.columns["listener.id"].tolist()
        dropped = (batch.columns["listener.overflows"] != 0).tolist()
        found = []
        for row, (id_, drops) in enumerate(zip(ids, dropped, strict=True)):
            key = (batch.boot, id_)
            if drops:
                self._dropped[key] = batch.window
                self._dropped.move_to_end(key)
            if batch.window - self._dropped.get(key, -AFTER_S) < AFTER_S:
                found.append(row)
        while len(self._dropped) > MOST:
            self._dropped.popitem(last=False)
            self._stage.note("listeners_forgotten")
        return np.array(found, np.int64)

    def _who(self, batch: Batch, row: int) -> Workload:
        entity = batch.tables["entities"][int(batch.columns["entity.index"][row])]
        (named,) = self._names.all([entity])
        comm = bytes(batch.columns["process.comm"][row]).decode(errors="replace")
        if named.workload is not None:
            return named.workload
        if comm:
            return Workload(comm, "process", "", *named.place)
        return named.machine or Workload(batch.node, "node")
