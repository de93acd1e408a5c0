"""What a node of the map is: a workload in all its zones and versions, or another group of workloads."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from model.kinds.workload import Workload
from store.queries.parameters import Group
from store.reading import Instances, Workloads

#: What a group is called whose zone, namespace or node is not known.
_UNKNOWN: Final = "unknown"
#: Groups that are kept, of one or two ways to group; 3 MB for 10,000 workloads each.
_KEPT: Final = 2


class GroupName(NamedTuple):
    """What people call it."""

    name: str
    kind: str
    namespace: str
    key: str


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each workload is in.

    :param numbers: of the workloads of a table, by their places in it; 0 to ``len`` - 1.
    :param ids: of each group: the smallest of its workloads' ids, which stays.
    :param names: of each group.
    """

    workloads: Workloads
    numbers: np.ndarray
    ids: np.ndarray
    names: Sequence[GroupName]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, workload_ids: np.ndarray) -> np.ndarray:
        """The group of each workload."""
        numbers: np.ndarray = self.numbers[self.workloads.rows(workload_ids)]
        return numbers

    def members(self, number: int) -> np.ndarray:
        """The places of its workloads."""
        return np.flatnonzero(self.numbers == number)


def grouped(workloads: Workloads, by: Group, instances: Callable[[], Instances]) -> Groups:
    """The groups of all workloads.

    :param instances: asked for the nodes that a workload runs on.
    """
    if by == "node":
        return _grouped(workloads, by, _node_keys(workloads, instances()))
    return _grouped_by_name(workloads, by)


@lru_cache(maxsize=_KEPT)
def _grouped_by_name(workloads: Workloads, by: Group) -> Groups:
    """They follow from the workloads alone, of which a store gives the same object while it knows the same."""
    return _grouped(workloads, by, list(map(_KEYS[by], workloads.parts)))


def _grouped(workloads: Workloads, by: Group, keys: Sequence[Hashable]) -> Groups:
    numbers_of: dict[Hashable, int] = {}
    numbers = np.fromiter((numbers_of.setdefault(key, len(numbers_of)) for key in keys), np.int64, len(keys))
    first = np.zeros(len(numbers_of), np.int64)
    first[numbers[::-1]] = np.arange(len(keys))[::-1]  # the first of each stands last
    ids = workloads.ids[first] if len(keys) else first
    names = [_name(by, keys[place], workloads.parts[place]) for place in first.tolist()]
    return Groups(workloads, numbers, ids, names)


def workload_key(part: Workload) -> str:
    """``shop/cart``."""
    return f"{part.namespace}/{part.name}" if part.namespace else part.name or part.kind


def _node_keys(workloads: Workloads, instances: Instances) -> list[Hashable]:
    """The machines of each workload: their name, or how many."""
    nodes: dict[int, set[str]] = {}
    for workload, instance in zip(instances.workloads.tolist(), instances.parts, strict=True):
        if instance.node:
            nodes.setdefault(workload, set()).add(instance.node)
    return [_machines(nodes.get(workload, set())) for workload in workloads.ids.tolist()]


def _machines(nodes: set[str]) -> str:
    return next(iter(nodes)) if len(nodes) == 1 else f"{len(nodes)} nodes" if nodes else _UNKNOWN


_KEYS: Final[dict[str, Callable[[Workload], Hashable]]] = {
    "workload": lambda part: (part.name, part.kind, part.namespace),
    "version": lambda part: (part.name, part.kind, part.namespace, part.version),
    "zone": lambda part: part.zone,
    "namespace": lambda part: part.namespace,
}


def _name(by: Group, key: Hashable, part: Workload) -> GroupName:
    if by in ("workload", "version"):
        key = workload_key(part)
        if by == "version" and part.version:
            return GroupName(
                f"{part.name}@{part.version}", part.kind, part.namespace, f"{key}@{part.version}"
            )
        return GroupName(part.name or part.kind, part.kind, part.namespace, key)
    text = str(key) or _UNKNOWN
    return GroupName(text, by, "", text)
