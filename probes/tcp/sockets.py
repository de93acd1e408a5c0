"""Open sockets as the TCP probe keeps them in the kernel: slots, counters, and those of before the start."""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.errors import ProbeError
from model.probe import Attachment
from probes.kernel.bpf.maps import push_all
from probes.kernel.bpf.programs import TestRun
from probes.kernel.layout import enums, rows_where, structs
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names
from probes.tcp.adopt import adopt_held, adopt_leftovers, change_setting, find_holders
from probes.tcp.probe import (
    ADOPTION,
    CONNECTIONS,
    COUNTERS,
    EXITS,
    HEALING,
    LEFTOVERS,
    MESSAGES,
    SWEEP,
)

#: As in the kernel (include/net/tcp_states.h).
TCP_SYN_SENT, TCP_SYN_RECV = 2, 3


#: Looking at all files of all tasks takes no more than this part of a processor.
HOLDERS_SHARE: Final = 0.01

#: Seconds after which it is done again in any case: a connection would be named after a process that is gone.
HOLDERS_PAUSE: Final = 5.0


@dataclass(frozen=True)
class Snapshot:
    """The counters of all live sockets at one moment.

    :param slots: slots in use, ascending; shape (n,), uint32.
    :param cells: their cells (``struct cell``); shape (n,).
    :param new_slots: slots whose description is new since the snapshot before; shape (m,), uint32.
    :param descriptions: those (``struct description``); shape (m,).
    """

    slots: np.ndarray
    cells: np.ndarray
    new_slots: np.ndarray
    descriptions: np.ndarray


class TcpSockets:
    """The maps of the TCP probe.

    :param loaded: with nothing attached yet: slots must be there before the first socket.
    :param slots: sockets that can be open at once with per-second counters.
    """

    def __init__(self, loaded: Loaded, slots: int) -> None:
        self._loaded = loaded
        self._slots = slots
        self._cells = MappedArray(loaded.maps["cells"], structs("tcp")["cell"], slots)
        self._descriptions = MappedArray(loaded.maps["descriptions"], structs("tcp")["description"], slots)
        self._known = np.zeros((slots, 2), np.uint32)  # generation and version last given out
        self._connecting = np.zeros(slots, np.bool_)  # described before the handshake's end
        self._high = 0
        self._sweep: TestRun | None = None
        self._heal_one: TestRun | None = None
        self._messages_wait = False  # for the first connection of MPTCP
        self._find_holders = False
        self._owners_gone = 0  # as many as when those who hold their listeners were looked for
        self._look_again = 0.0  # CLOCK_MONOTONIC, seconds
        self._sweep_slots = enums("tcp")["sweep_size"]["SWEEP_SLOTS"]
        push_all(loaded.maps["free_slots"], range(slots - 1, -1, -1))

    @property
    def swept(self) -> bool:
        """Whether counters are read once a second; else they are brought up to date at every segment."""
        return self._sweep is not None

    def attached(self, taken: Iterable[Attachment]) -> list[Attachment]:
        """Takes in the sockets that were open before; returns what became of the features, as some come too late.

        Only where all open sockets could be taken in may an unknown one be believed at its end.

        :raises ProbeError: if they cannot be read though the kernel has the iterators.
        """
        by_feature = {entry.feature.name: entry for entry in taken}
        programs = self._loaded.programs
        if by_feature[COUNTERS.name].hook == SWEEP:
            self._sweep = TestRun(programs[SWEEP.program], 1)
        if hook := by_feature[HEALING.name].hook:
            self._heal_one = TestRun(programs[hook.program], 1)
        if by_feature[CONNECTIONS.name].hook == MESSAGES:
            self._loaded.set_aside(MESSAGES)
            self._messages_wait = True
        if not by_feature[ADOPTION.name].hook:
            return [*by_feature.values()]
        self._find_holders = by_feature[EXITS.name].hook is not None
        try:
            self._adopt(leftovers=by_feature[LEFTOVERS.name].hook is not None)
        except PermissionError as error:
            refused = {LEFTOVERS.alternatives[0].name: str(error)}
            by_feature[LEFTOVERS.name] = Attachment(LEFTOVERS, None, refused)
        except OSError as error:
            raise ProbeError(f"cannot adopt open sockets ({error})", "see `tailrace doctor`") from error
        return [*by_feature.values()]

    def _adopt(self, *, leftovers: bool) -> None:
        adopt_held(self._loaded)
        if leftovers:
            adopt_leftovers(self._loaded)
            change_setting(self._loaded, "SETTING_ADOPTED", 1)

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum tally``."""
        return read_tallies(self._loaded.maps["tallies"], tally_names("tcp", "tally"))

    def snapshot(self) -> Snapshot:
        """Brings all counters up to date and copies those of live sockets."""
        tallies = self.tallies()
        self._name_holders(tallies["owners_gone"])
        self._follow_messages(tallies["subflows"])
        high = self._high_water()
        if self._sweep:
            for first in range(0, high, self._sweep_slots):
                self._sweep(first)
        cells = self._cells.copy(high)
        # Counters of another socket than the slot's were read while the slot changed hands: next time.
        live = (cells["socket"] != 0) & (cells["generation"] == cells["read_generation"])
        slots = np.flatnonzero(live).astype(np.uint32)
        cells = rows_where(cells, live)
        new_slots, descriptions = self._new_descriptions(slots, cells)
        self._heal(slots, cells, new_slots, descriptions)
        return Snapshot(slots, cells, new_slots, descriptions)

    def used_slots(self) -> int:
        """Slots from this one on were never used."""
        return self._high_water()

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        """Which of these sockets have their slots now; shape (n,), bool."""
        cells = self._cells.view(int(slots.max(initial=0)) + 1)
        there: np.ndarray = cells["socket"][slots] != 0
        there &= cells["generation"][slots] == generations
        return there

    def _follow_messages(self, subflows: int) -> None:
        """Attaches what the kernel calls at every message once there are connections that need it."""
        if subflows and self._messages_wait:
            self._messages_wait = False
            self._loaded.resume(MESSAGES)

    def _name_holders(self, gone: int) -> None:
        """Looks for who holds the listeners of processes that are gone.

        :param gone: so many of them, since the start.
        """
        if not self._find_holders or time.monotonic() < self._look_again:
            return
        if gone != self._owners_gone:
            self._owners_gone = gone
            begin = time.thread_time()  # not the clock: a busy machine would make it blind for long
            find_holders(self._loaded)
            pause = min((time.thread_time() - begin) / HOLDERS_SHARE, HOLDERS_PAUSE)
            self._look_again = time.monotonic() + pause

    def _high_water(self) -> int:
        """Slots are given out lowest first: behind the first that never was used, none was."""
        while self._high < self._slots:
            ahead = self._cells.view(self._high + self._sweep_slots)
            used = ahead[self._high : self._high + self._sweep_slots]["generation"] != 0
            if not used.all():
                return self._high + int(used.argmin())
            self._high += len(used)
        return self._slots

    def _new_descriptions(self, slots: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptions written since they were last given out, but for those being written at this moment, and those
        of sockets that connect and have no port yet: it would come as another connection."""
        stamps = np.stack((cells["generation"], cells["version"]), axis=1)
        new = (stamps != self._known[slots]).any(axis=1) & (cells["version"] % 2 == 0)
        new_slots = slots[new]
        high = int(slots[-1]) + 1 if len(slots) else 0
        descriptions = self._descriptions.view(high)[new_slots]
        still = self._cells.view(high)["version"][new_slots] == cells["version"][new]
        still &= (descriptions["generation"] == cells["generation"][new]) & (descriptions["local_port"] != 0)
        self._known[new_slots[still]] = stamps[new][still]
        return new_slots[still], descriptions[still]

    def _heal(
        self, slots: np.ndarray, cells: np.ndarray, new_slots: np.ndarray, descriptions: np.ndarray
    ) -> None:
        """Established sockets whose description still waits for the handshake: the next snapshot has them right."""
        self._connecting[new_slots] = descriptions["established_ns"] == 0
        opening = (cells["state"] == TCP_SYN_SENT) | (cells["state"] == TCP_SYN_RECV)
        missed = slots[self._connecting[slots] & ~opening]
        if len(missed) and self._heal_one:
            for slot in missed.tolist():
                self._heal_one(slot)

    def close(self) -> None:
        """Lets go of mapped memory, which would keep its maps in the kernel."""
        with contextlib.suppress(AttributeError):
            del self._cells, self._descriptions
