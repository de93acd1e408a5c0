"""Who is at the ends of flows, by the rule of workload rows; asked once for each different end."""

from typing import Final

import numpy as np

from model.addresses import address_text
from model.batch import Batch
from model.kinds.flow import SERVER
from model.kinds.workload import Workload
from model.kinds.workload.names import WorkloadNames
from store.ids import Names

_NOBODY: Final = 0


class FlowEnds:
    """Ids of workloads at ends of flows."""

    def __init__(self, names: Names) -> None:
        self._rule = WorkloadNames()
        self._names = names

    def workloads(self, batch: Batch, side: str) -> np.ndarray:
        """The id of each row's workload at this side; int64."""
        columns = batch.columns
        entities = columns[f"{side}.entity.index"]
        found: np.ndarray = self.by_entity(batch)[entities]
        unnamed = np.flatnonzero(found == _NOBODY)
        if len(unnamed):
            parts = [("entity", "<u4"), ("comm", "S16"), ("name", "<u4"), ("address", "S16")]
            ends = np.zeros(len(unnamed), parts)
            if side == SERVER:
                ends["name"] = columns[f"{SERVER}.name.index"][unnamed]
            ends["entity"], ends["comm"] = entities[unnamed], columns[f"{side}.process.comm"][unnamed]
            ends["address"] = columns[f"{side}.address"][unnamed].view("S16")
            different, same = np.unique(ends, return_inverse=True)
            ids = [self._unnamed(batch, *end) for end in different.tolist()]
            found[unnamed] = np.array(ids, np.int64)[same]
        return found

    def addresses(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Rows whose server goes by the name by which clients know it, and the ids of their workloads; int64."""
        columns = batch.columns
        rows = np.flatnonzero(columns[f"{SERVER}.name.index"])
        if len(rows):
            rows = rows[columns[f"{SERVER}.process.comm"][rows] == b""]
            said = self._rule.all(batch.tables["entities"])
            free = [each.workload is None and (each.machine is None or each.guessed) for each in said]
            rows = rows[np.array(free)[columns[f"{SERVER}.entity.index"][rows]]]
        return rows, self.workloads(batch.take(rows), SERVER) if len(rows) else np.zeros(0, np.int64)

    def by_entity(self, batch: Batch) -> np.ndarray:
        """The id of the workload that each entity of the batch names, 0 where it names none; int64."""
        found = self._rule.all(batch.tables["entities"])
        named = [place for place, each in enumerate(found) if each.workload is not None]
        ids = np.zeros(len(found), np.int64)
        ids[named] = self._names.ids([each.workload for each in found if each.workload is not None])
        return ids

    def _unnamed(self, batch: Batch, entity: int, comm: bytes, name: int, address: bytes) -> int:
        """By process, else by machine, else by the name by which clients know it, else by address."""
        (said,) = self._rule.all([batch.tables["entities"][entity]])
        if comm:
            workload = Workload(comm.decode(errors="replace"), "process", "", *said.place)
        elif said.machine is not None and not (said.guessed and name):
            workload = said.machine
        elif name:
            workload = Workload(batch.tables["names"][name], "domain", "", *said.place)
        else:
            workload = Workload(address_text(address.ljust(16, b"\0")), "address", "", *said.place)
        return int(self._names.ids([workload])[0])
