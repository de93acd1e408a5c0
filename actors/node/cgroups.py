"""Names of cgroups: built from one event per cgroup, looked up per connection, carried once per batch."""

from collections import OrderedDict
from typing import Any

import numpy as np

from model.dictionary import LIMIT, Dictionary

#: Of a cgroup: its id and its hierarchy.
Key = tuple[int, int]

#: Names kept; four times what the kernel side remembers to have sent, so that a name it holds is known here.
NAMES = 65536
#: Different cgroups that are looked for one by one.
FEW = 4
#: Levels of a path: deeper ones are cut at the top.
LEVELS = 64
#: Stands where a name, or a path, was cut: at the beginning, for its end says more.
CUT = "…"


class Cgroups:
    """Paths of cgroups, each under a small id that columns hold instead of the text.

    :param limit: ids in use at once; at the limit those that no open socket holds are given up.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._names: OrderedDict[Key, tuple[Key, str]] = OrderedDict()
        self.known: Dictionary[Key] = Dictionary((0, 0), limit)
        self._paths: dict[int, str] = {}  # by id, as far as they are known

    def learn(self, events: np.ndarray) -> None:
        """Takes names from ``struct cgroup_event`` rows."""
        for event in events:
            hierarchy = int(event["hierarchy"])
            key = (int(event["id"]), hierarchy)
            name = (CUT if event["cut"] else "") + event["name"].decode(errors="replace")
            self._names[key] = ((int(event["parent"]), hierarchy), name)
            self._names.move_to_end(key)
            if key in self.known:
                self._paths.pop(self.known.id(key), None)
        while len(self._names) > NAMES:
            self._names.popitem(last=False)

    def path(self, key: Key) -> str:
        """``/system.slice/docker-abc.scope``; ``/…/docker-abc.scope`` where parents are not known, or too many."""
        names: list[str] = []
        while key in self._names and len(names) < LEVELS:
            key, name = self._names[key]
            names.append(name)
        if not names:
            return ""
        if key[0]:  # it has a parent
            names.append(CUT)
        return "/" + "/".join(name for name in reversed(names) if name.strip("/"))

    def ids(self, owners: Any) -> np.ndarray:
        """The id of each owner's cgroup; one dictionary look-up per different cgroup.

        :param owners: ``struct owner``, or its fields by name; shape (n,).
        """
        cgroups, hierarchies = owners["cgroup_id"], owners["cgroup_hierarchy"].astype(np.uint64)
        combined = cgroups ^ hierarchies << np.uint64(56)
        ids = np.zeros(len(cgroups), np.uint32)
        rest = np.arange(len(cgroups))
        for _ in range(FEW):  # most often all are of a few: then nothing needs to be sorted
            if not len(rest):
                return ids
            first = rest[0]
            alike = combined[rest] == combined[first]
            ids[rest[alike]] = self.known.id((int(cgroups[first]), int(hierarchies[first])))
            rest = rest[~alike]
        _, first, inverse = np.unique(combined[rest], return_index=True, return_inverse=True)
        keys = zip(cgroups[rest[first]].tolist(), hierarchies[rest[first]].tolist(), strict=True)
        ids[rest] = self.known.ids(keys)[inverse]
        return ids

    def release(self, in_use: np.ndarray) -> None:
        """Gives up all ids but those ``in_use``."""
        for id_ in self.known.release(in_use):
            self._paths.pop(id_, None)

    def table(self, ids: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """``ids`` renumbered from 0, and the paths that they stand for; the first is empty."""
        (renumbered,), used = self.known.used(ids)
        return renumbered, [self._path_of(id_) for id_ in used]

    def _path_of(self, id_: int) -> str:
        path = self._paths.get(id_, "")
        if not path:  # until its name is known, asked again
            path = self.path(self.known.values[id_])
            if path and not path.startswith(f"/{CUT}/"):  # the names of its parents may come
                self._paths[id_] = path
        return path
