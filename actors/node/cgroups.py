"""Names of cgroups: built from one event per cgroup, looked up per connection, carried once per batch."""

from collections import OrderedDict
from typing import Any

import numpy as np

Key = tuple[int, int]

#: Names kept; four times what the kernel side remembers to have sent, so that a name it holds is known here.
NAMES = 65536
#: Different cgroups that are looked for one by one.
FEW = 4
#: Levels of a path: deeper ones are cut at the top.
LEVELS = 32


class Cgroups:
    """Paths of cgroups, each under a small number that columns hold instead of the text.

    :param limit: numbers in use at once; at the limit those that no open socket holds are given up.
    """

    def __init__(self, limit: int = NAMES) -> None:
        self._limit = limit
        self._names: OrderedDict[Key, tuple[Key, str]] = OrderedDict()
        self._numbers: dict[Key, int] = {}
        self._keys: list[Key] = [(0, 0)]
        self._paths: list[str | None] = [""]
        self._free: list[int] = []
        self.refused = 0

    def learn(self, events: np.ndarray) -> None:
        """Takes names from ``struct cgroup_event`` rows."""
        for event in events:
            hierarchy = int(event["hierarchy"])
            key = (int(event["id"]), hierarchy)
            name = event["name"].decode(errors="replace")
            self._names[key] = ((int(event["parent"]), hierarchy), name)
            self._names.move_to_end(key)
            if key in self._numbers:
                self._paths[self._numbers[key]] = None
        while len(self._names) > NAMES:
            self._names.popitem(last=False)

    def path(self, key: Key) -> str:
        """``/system.slice/docker-….scope``; parents whose name is not known are left out."""
        names: list[str] = []
        while key in self._names and len(names) < LEVELS:
            key, name = self._names[key]
            names.append(name)
        return "/" + "/".join(name for name in reversed(names) if name.strip("/")) if names else ""

    def numbers(self, owners: Any) -> np.ndarray:
        """The number of each owner's cgroup; one dictionary look-up per different cgroup.

        :param owners: ``struct owner``, or its fields by name; shape (n,).
        """
        ids, hierarchies = owners["cgroup_id"], owners["cgroup_hierarchy"].astype(np.uint64)
        combined = ids ^ hierarchies << np.uint64(56)
        numbers = np.zeros(len(ids), np.uint32)
        rest = np.arange(len(ids))
        for _ in range(FEW):  # most often all are of a few: then nothing needs to be sorted
            if not len(rest):
                return numbers
            alike = combined[rest] == combined[rest[0]]
            numbers[rest[alike]] = self._number((int(ids[rest[0]]), int(hierarchies[rest[0]])))
            rest = rest[~alike]
        _, first, inverse = np.unique(combined[rest], return_index=True, return_inverse=True)
        keys = zip(ids[rest[first]].tolist(), hierarchies[rest[first]].tolist(), strict=True)
        numbers[rest] = np.array([self._number(key) for key in keys], np.uint32)[inverse]
        return numbers

    def _number(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._new_number(key)
        return number

    def _new_number(self, key: Key) -> int:
        if self._free:
            number = self._free.pop()
        elif len(self._keys) < self._limit:
            number = len(self._keys)
            self._keys.append(key)
            self._paths.append(None)
        else:
            self.refused += 1
            return 0
        self._numbers[key] = number
        self._keys[number] = key
        self._paths[number] = None
        return number

    @property
    def full(self) -> bool:
        """Whether the next new cgroup would find no number: time to ``release``."""
        return not self._free and len(self._keys) >= self._limit

    def release(self, in_use: np.ndarray) -> None:
        """Gives up all numbers but those ``in_use``."""
        kept = set(in_use.tolist())
        for key, number in list(self._numbers.items()):
            if number not in kept:
                del self._numbers[key]
                self._free.append(number)

    def table(self, numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """``numbers`` renumbered from 0, and the paths they stand for."""
        used = np.zeros(len(self._keys), np.bool_)
        used[numbers] = True
        old = np.flatnonzero(used)
        renumbered = np.zeros(len(self._keys), np.uint32)
        renumbered[old] = np.arange(len(old), dtype=np.uint32)
        return renumbered[numbers], [self._path_of(number) for number in old.tolist()]

    def _path_of(self, number: int) -> str:
        path = self._paths[number]
        if path is None:
            path = self.path(self._keys[number])
            if path:  # until its name is known, asked again
                self._paths[number] = path
        return path
