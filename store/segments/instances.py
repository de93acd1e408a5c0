"""What workloads consist of: processes, containers and pods, as the entities of flows tell."""

from typing import Final, cast

import numpy as np

from model.addresses import address_text
from model.batch import Batch
from model.enricher import Entity
from model.kinds.flow import SIDES, Node
from store.ids import text_id
from store.reading import Instance
from store.segments.columns import Column
from store.segments.flow_ends import FlowEnds
from store.segments.once import Once
from store.segments.rollup import together

_REMEMBERED: Final = 16384
#: Parts of an instance that say who it is: those before its address.
_WHO: Final = Instance._fields.index("address")
_LOOPBACK: Final = ("127.", "::1")


class SeenInstances:
    """Makes rows of the instances that a batch of flows has; each entity is looked at once.

    An end without an entity that names its workload has none: its process or address is the workload. What goes by a
    name that clients know has its addresses.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, str], tuple[int, Instance]] = {}
        self._held: list[Entity] = []  # those entities: no other can have their ``id``

    def rows(self, batch: Batch, ends: FlowEnds, named: Once) -> dict[str, Column]:
        """A row for each instance; what says who it is only in the first of a log."""
        workloads = ends.by_entity(batch)
        parts = [part for side in SIDES if (part := self._of_side(batch, side, workloads, named))]
        parts += [part] if (part := _addresses(batch, ends, named)) else []
        return together(parts) if parts else {}

    def _of_side(self, batch: Batch, side: str, workloads: np.ndarray, named: Once) -> dict[str, Column]:
        columns, nodes = batch.columns, batch.tables["nodes"]
        entities = columns[f"{side}.entity.index"].astype(np.int64)
        rows = np.flatnonzero(workloads[entities])
        keys = entities[rows] * len(nodes) + columns[f"{side}.node.index"][rows].astype(np.int64)
        different, first, same = np.unique(keys, return_index=True, return_inverse=True)
        if not len(different):
            return {}
        found = [
            self._instance(batch, side, int(row), int(workloads[entities[row]]))
            for row in rows[first].tolist()
        ]
        return _table(batch, rows, same, workloads[entities[rows[first]]], found, named)

    def _instance(self, batch: Batch, side: str, row: int, workload: int) -> tuple[int, Instance]:
        columns = batch.columns
        entity = batch.tables["entities"][columns[f"{side}.entity.index"][row]]
        node: Node = batch.tables["nodes"][columns[f"{side}.node.index"][row]]
        key = (id(entity), workload, node.name)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._held.clear()
            comm = columns[f"{side}.process.comm"][row].decode(errors="replace")
            address = address_text(columns[f"{side}.address"][row].tobytes())
            instance = instance_of(entity, node.name, comm, address)
            identity = (str(workload), *instance[:_WHO])  # its address may change, or be one of several
            known = self._known[key] = text_id(identity), instance
            self._held.append(entity)
        return known


def _addresses(batch: Batch, ends: FlowEnds, named: Once) -> dict[str, Column]:
    """Addresses of servers that go by a name."""
    rows, workloads = ends.addresses(batch)
    if not len(rows):
        return {}
    pairs = np.zeros(len(rows), [("workload", "<i8"), ("address", "S16")])
    pairs["workload"], pairs["address"] = workloads, batch.columns["server.address"][rows].view("S16")
    different, same = np.unique(pairs, return_inverse=True)
    texts = (address_text(address.ljust(16, b"\0")) for address in different["address"].tolist())
    instances = [Instance("", "", "", "", "", text) for text in texts]
    found = [
        (text_id((str(workload), each.address)), each)
        for workload, each in zip(different["workload"].tolist(), instances, strict=True)
    ]
    return _table(batch, rows, same, different["workload"], found, named)


def _table(
    batch: Batch,
    rows: np.ndarray,
    same: np.ndarray,
    workloads: np.ndarray,
    found: list[tuple[int, Instance]],
    named: Once,
) -> dict[str, Column]:
    """A row for each instance.

    :param rows: of flows, and ``same``: which instance each is of.
    :param workloads: of the instances.
    """
    seconds = batch.window - batch.columns["window.late_s"][rows].astype(np.int64)
    order = np.argsort(same, kind="stable")
    starts = np.searchsorted(same[order], np.arange(len(found)))
    ids = np.array([id_ for id_, _ in found], np.int64)
    new = set(named.new(ids).tolist())
    empty = Instance("", "", "", "", "", "")
    texts = [each if place in new else empty for place, (_, each) in enumerate(found)]
    return {
        "id": ids,
        "workload": workloads,
        **{name: [cast(str, getattr(each, name)) for each in texts] for name in Instance._fields},
        "first_s": np.minimum.reduceat(seconds[order], starts),
        "last_s": np.maximum.reduceat(seconds[order], starts),
        "part": np.zeros(len(ids), np.int64),
    }


def instance_of(entity: Entity, node: str, comm: str, address: str) -> Instance:
    """What an entity says.

    :param node: that reports.
    """
    image, tag = entity.get("container.image.name", ""), entity.get("container.image.tags", "")
    return Instance(
        entity.get("k8s.node.name") or node or entity.get("host.name", ""),
        entity.get("k8s.pod.name", ""),
        entity.get("container.name") or entity.get("container.id", "")[:12],
        entity.get("process.executable.name") or comm,
        f"{image}:{tag}" if image and tag else image,
        "" if address.startswith(_LOOPBACK) else address,
        entity.get("cloud.region", ""),
    )
