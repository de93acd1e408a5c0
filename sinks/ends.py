"""Which workload is at an end of rows that name none: by the rule of workloads, once for each different end."""

from model.addresses import address_text
from model.batch import Batch
from model.kinds.workload import OTHER, Workload
from model.kinds.workload.names import Named, WorkloadNames


class RowEnds:
    """Workloads by what rows have of an end: its entity, its process, its address."""

    def __init__(self) -> None:
        self._names = WorkloadNames()

    def workloads(self, batch: Batch, end: str, address: str = "") -> list[Workload]:
        """Who is at this end of each row; ``OTHER`` where nothing is known.

        :param end: begins the names of its columns: ``client.``, or nothing where rows have one end.
        :param address: the column that names an end of which nothing else is known; empty: such an end is ``OTHER``.
        """
        columns = batch.columns
        named = self._names.all(batch.tables["entities"])
        entities = columns[f"{end}entity.index"].tolist()
        nothing = [b""] * len(batch)
        comms = columns[f"{end}process.comm"].tolist() if f"{end}process.comm" in columns else nothing
        addresses = columns[address].tolist() if address else nothing
        keys = list(zip(entities, comms, addresses, strict=True))
        known = {key: _workload(named[key[0]], key[1], key[2]) for key in set(keys)}
        return [known[key] for key in keys]


def _workload(named: Named, comm: bytes, address: bytes) -> Workload:
    if named.workload:
        return named.workload
    if comm:
        return Workload(comm.decode(errors="replace"), "process", "", *named.place)
    if named.machine:
        return named.machine
    return Workload(address_text(address), "address", "", *named.place) if address else OTHER
