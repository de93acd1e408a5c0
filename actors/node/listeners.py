"""Listening sockets of a node: what the kernel says of each, as rows when there is something to say. Pure."""

from typing import Final

import numpy as np

from actors.node.cgroups import Cgroups
from actors.node.rows import PROGRAM
from model.addresses import is_ipv4
from model.arrays import Columns
from model.kinds.listener import LISTENER
from model.transport import NetworkType
from probes.kernel.layout import copied, structs, void_rows

STATE: Final = structs("listeners")["listener_state"]
#: Seconds for which a listener has a row each second, after it dropped something or its queue was half full.
PRESSURE_S: Final = 60
#: What a row says of how it stands.
_STANDS: Final = ("queue", "limit", "syn_queue")


class NodeListeners:
    """Keeps the newest state of each, by the number of its cell.

    :param cgroups: that owners are in.
    """

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._now = np.zeros(0, STATE)
        self._told = np.zeros(0, STATE)  # as the last row said
        self._generation = np.zeros(0, np.uint32)  # 0: the cell is free
        self._new = np.zeros(0, np.bool_)  # it has had no row yet
        self._pressed = np.zeros(0, np.int64)  # the last second with pressure

    def learn(self, events: np.ndarray) -> None:
        """Takes in how listeners stand: ``struct listener_event``; of one cell the newest comes last."""
        heads, states = events["header"], copied(events["listener"])
        self._grow(int(heads["slot"].max(initial=0)) + 1)
        cells, generations = heads["slot"], heads["generation"]
        others = self._generation[cells] != generations
        self._generation[cells] = generations
        self._new[cells[others]] = True
        self._pressed[cells[others]] = 0
        void_rows(self._told)[cells[others]] = void_rows(np.zeros(1, STATE))
        void_rows(self._now)[cells] = void_rows(states)

    def _grow(self, cells: int) -> None:
        if cells <= len(self._now):
            return
        size = max(64, cells, 2 * len(self._now))
        for name in ("_now", "_told", "_generation", "_new", "_pressed"):
            before = getattr(self, name)
            after = np.zeros(size, before.dtype)
            after[: len(before)] = before
            setattr(self, name, after)

    def rows(self, window: int) -> Columns:
        """Of those of which there is something to say, without the table of cgroups; ``process.program`` beside."""
        now, told = self._now, self._told
        overflowed = now["overflows"] != told["overflows"]
        pressed = overflowed | ((now["queue"] != 0) & (2 * now["queue"].astype(np.uint64) >= now["limit"]))
        self._pressed[pressed] = window
        wanted = self._new | (now["ended"] != 0) | (self._pressed > window - PRESSURE_S)
        for name in _STANDS:
            wanted |= now[name] != told[name]
        cells = np.flatnonzero(wanted & (self._generation != 0))
        columns = self._columns(cells)
        void_rows(told)[cells] = void_rows(now)[cells]
        self._new[cells] = False
        self._generation[cells[now["ended"][cells] != 0]] = 0
        return columns

    def _columns(self, cells: np.ndarray) -> Columns:
        now = void_rows(self._now)[cells].view(STATE)
        columns = LISTENER.empty(len(cells))
        generations = self._generation[cells].astype(np.uint64)
        columns["listener.id"] = generations << np.uint64(32) | cells.astype(np.uint64)
        addresses = now["address"]
        columns["network.type"] = np.where(is_ipv4(addresses), NetworkType.IPV4, NetworkType.IPV6)
        columns["network.local.address"] = addresses
        columns["network.local.port"] = now["port"]
        columns["netns.id"] = now["netns"]
        owners = now["owner"]
        columns["process.pid"], columns["process.comm"] = owners["tgid"], owners["comm"]
        columns["user.id"], columns["cgroup.id"] = owners["uid"], owners["cgroup_id"]
        columns["cgroup.index"] = self._cgroups.ids(owners)
        for name in (*_STANDS, "adopted", "ended"):
            columns[f"listener.{name}"] = now[name]
        for name in ("accepted", "overflows"):  # 32 bits wrap
            columns[f"listener.{name}"] = now[name] - self._told[name][cells]
        typed: Columns = {
            name: columns[name].astype(kind, copy=False) for name, kind in LISTENER.types.items()
        }
        return typed | {PROGRAM: owners["program"]}
