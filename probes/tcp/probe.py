"""The TCP probe: what it asks of the kernel, and what it gives the socket actor: events and snapshots."""

import contextlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.errors import ProbeError
from probes.conntrack.hooks import NAT, Wanted, attach_rewrites
from probes.kernel import bpf
from probes.kernel.headers import Headers, find_headers
from probes.kernel.layout import enums, ring_record, rows_where, structs
from probes.kernel.loader import Loaded, load
from probes.kernel.mapped import MappedArray
from probes.kernel.program import Feature, Hook, Taken
from probes.kernel.ring import Ring
from probes.process.probe import EXECUTIONS
from probes.sources import absent_programs, source_text
from probes.tcp.adopt import adopt_held, adopt_leftovers, change_setting

MAPS = ("cells", "descriptions", "free_slots", "settings", "tallies", "ring")

STATES = Feature(
    "socket states",
    "opens, closes, failed connects and their owners",
    (
        Hook(
            "state_changed",
            "inet_sock_set_state",
            others=(Hook("state_changed_within", "inet_sock_set_state"),),
        ),
    ),
)
DESTROYED = Feature(
    "socket destruction",
    "heals an end whose state change was missed",
    (Hook("destroyed", "tcp_destroy_sock"),),
    required=False,
    loss="a missed close holds its slot until the kernel uses the socket's memory again",
)
ERRORS = Feature(
    "errors of connects",
    "why a connect failed that the application gave up after an ICMP error",
    (Hook("error_reported", "inet_sk_error_report"),),
    required=False,
    loss="such connects are reported as given up (ECANCELED)",
)
READS = Feature(
    "owner by first read",
    "the process that took an accepted connection",
    (Hook("used", "tcp_rcv_space_adjust"),),
    required=False,
    loss="accepted sockets keep the listener's owner until they are closed",
)
WRITES = Feature(
    "owner by first write",
    "the same where the server speaks first",
    (Hook("used", "tcp_sendmsg_locked"), Hook("used", "sock_send_length")),
    required=False,
    loss="accepted sockets that are only written to keep the listener's owner until they are closed",
)
SWEEP = Hook("sweep")
PER_SEGMENT = Hook("segment_received", "tcp_probe")
COUNTERS = Feature("counters", "bytes, segments, retransmits, RTT of open sockets", (SWEEP, PER_SEGMENT))
HEALING = Feature(
    "handshake healing",
    "finds by its state a socket whose handshake's end was missed",
    (Hook("heal"),),
    required=False,
    loss="such a socket has no connect latency until it is closed",
)
ADOPTION = Feature(
    "adoption",
    "sockets that were open before the start",
    (Hook("bpf_iter__task_file", kind="iterator"),),
    required=False,
    loss="sockets that were open before the start are not reported",
)
LEFTOVERS = Feature(
    "adoption of orphans",
    "sockets of before the start that no process holds",
    (Hook("bpf_iter__tcp", kind="iterator"),),
    required=False,
    loss="orphans and connections waiting to be accepted at the start are not reported",
)
FEATURES = (STATES, DESTROYED, ERRORS, READS, WRITES, COUNTERS, HEALING, ADOPTION, LEFTOVERS, NAT, EXECUTIONS)

#: As in the kernel (include/net/tcp_states.h).
TCP_SYN_SENT, TCP_SYN_RECV = 2, 3

#: Slots that one run of the sweep reads: the verifier walks them all when the program is loaded.
SWEEP_SLOTS = 128


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


class TcpProbe:
    """Sees every TCP socket of the machine from ``start`` to ``close``.

    :param slots: sockets that can be open at once with per-second counters.
    :param ring_bytes: a power of two; how many events may wait, at 256 bytes each.
    :param counters: how counters of open sockets are read: swept once a second, at every segment, or the best
        that this kernel offers.
    :param rewrites: how NAT is to be seen; events of ctnetlink do not come from here.
    """

    def __init__(
        self,
        slots: int = 65536,
        ring_bytes: int = 8 << 20,
        counters: Literal["auto", "sweep", "segment"] = "auto",
        rewrites: Wanted = "auto",
    ) -> None:
        self.slots = slots
        self.ring_bytes = ring_bytes
        self.taken: list[Taken] = []
        self.headers: Headers | None = None
        self._counters = counters
        self._rewrites = rewrites
        self._stack = contextlib.ExitStack()
        self._high = 0

    def start(self) -> None:
        """Compiles, loads, attaches, adopts. Takes about two seconds; everything is undone by close().

        :raises ProbeError: if this kernel or machine does not give what is needed.
        """
        try:
            self.headers = find_headers()
            self._loaded = self._load(self.headers)
            self._stack.callback(self._loaded.close)
            self._map_memory()
            bpf.push_all(self._loaded.maps["free_slots"], range(self.slots - 1, -1, -1))
            for feature in FEATURES:  # one by one: after a failure `doctor` shows those before it
                self.taken.append(self._attach(feature))
            self._adopt()
        except BaseException:
            self.close()
            raise

    def _load(self, headers: Headers) -> Loaded:
        """With tasks read directly where the verifier takes it (Linux 5.11), else by a call for each field."""
        if headers.source != "btf":
            return self._load_with(headers, {})
        with contextlib.suppress(ProbeError):  # an older bcc does not know the helper
            loaded = self._load_with(headers, {"DIRECT": 1})
            wanted = {
                part.program for hook in (*STATES.alternatives, *READS.alternatives) for part in hook.parts
            }
            if not loaded.refused.keys() & wanted:
                return loaded
            loaded.close()
        return self._load_with(headers, {})

    def _load_with(self, headers: Headers, ways: dict[str, int]) -> Loaded:
        hooks = [part for feature in FEATURES for hook in feature.alternatives for part in hook.parts]
        return load(
            source_text(headers),
            headers=headers,
            defines={
                **ways,
                "SLOTS": self.slots,
                "RING_BYTES": self.ring_bytes,
                "SWEEP_SLOTS": SWEEP_SLOTS,
                "WAKEUP_EVENTS": max(
                    1, self.ring_bytes // ring_record().itemsize // 8 // bpf.possible_cpus()
                ),
            },
            maps=MAPS,
            programs={hook.program: hook.kind for hook in hooks if hook.program},
            absent=absent_programs(headers),
        )

    def _map_memory(self) -> None:
        maps = self._loaded.maps
        self.ring = Ring(maps["ring"], self.ring_bytes)
        self._stack.callback(self.ring.close)
        self._cells = MappedArray(maps["cells"], structs()["cell"], self.slots)
        self._descriptions = MappedArray(maps["descriptions"], structs()["description"], self.slots)
        self._known = np.zeros((self.slots, 2), np.uint32)  # generation and version last given out
        self._connecting = np.zeros(self.slots, np.bool_)  # described before the handshake's end

    def _attach(self, feature: Feature) -> Taken:
        if feature is NAT:
            return attach_rewrites(self._loaded, self._rewrites)
        if feature is not COUNTERS:
            return self._loaded.attach(feature)
        wanted = {"auto": (SWEEP, PER_SEGMENT), "sweep": (SWEEP,), "segment": (PER_SEGMENT,)}[self._counters]
        taken = self._attach_counters(Feature(feature.name, feature.purpose, wanted))
        self.swept = taken.hook is SWEEP
        return taken

    def _attach_counters(self, feature: Feature) -> Taken:
        if SWEEP not in feature.alternatives or SWEEP.program in self._loaded.refused:
            return self._loaded.attach(feature)
        self._sweep = bpf.TestRun(self._loaded.programs[SWEEP.program], 1)
        try:
            self._sweep(0)
        except OSError as error:
            rest = Feature(feature.name, feature.purpose, feature.alternatives[1:])
            taken = self._loaded.attach(rest)
            return Taken(feature, taken.hook, {SWEEP.name: str(error), **taken.refused})
        return Taken(feature, SWEEP)

    def _adopt(self) -> None:
        """Only where all open sockets could be taken in may an unknown one be believed at its end."""
        ways = {taken.feature: taken for taken in self.taken if taken.feature in (ADOPTION, LEFTOVERS)}
        if not ways[ADOPTION].hook:
            return
        try:
            adopt_held(self._loaded)
            if ways[LEFTOVERS].hook:
                adopt_leftovers(self._loaded)
                change_setting(self._loaded, "SETTING_ADOPTED", 1)
        except PermissionError as error:
            refused = {LEFTOVERS.alternatives[0].name: str(error)}
            self.taken[self.taken.index(ways[LEFTOVERS])] = Taken(LEFTOVERS, None, refused)
        except OSError as error:
            raise ProbeError(f"cannot adopt open sockets ({error})", "see `tailrace doctor`") from error

    @property
    def ring_fd(self) -> int:
        """Readable when a quarter of the ring is full: read it then at once."""
        return self._loaded.maps["ring"]

    @property
    def compile_seconds(self) -> float:
        """How long compiling and loading took."""
        return self._loaded.compile_seconds

    @property
    def programs(self) -> dict[str, int]:
        """Descriptors of the loaded programs, for their run time and count (``probes.kernel.bpf.program_info``)."""
        return dict(self._loaded.programs)

    def events(self) -> np.ndarray:
        """Events since the last call, in order: an array of ``struct socket_event``."""
        return self.ring.read()

    def peek(self) -> np.ndarray:
        """The same in the ring itself, without a copy, valid until ``release``; there they stay until then."""
        return self.ring.peek()

    def release(self) -> None:
        """The kernel may write over what ``peek`` showed."""
        self.ring.release()

    def waiting(self) -> int:
        """Events in the ring."""
        return self.ring.waiting()

    def tallies(self) -> dict[str, int]:
        """The kernel side's own counts since the start, by the names of ``enum tally``."""
        names = {name: index for name, index in enums()["tally"].items() if name != "TALLY_COUNT"}
        values = bpf.percpu_lookup(self._loaded.maps["tallies"], len(names))
        return {name.removeprefix("TALLY_").lower(): int(values[index]) for name, index in names.items()}

    def snapshot(self) -> Snapshot:
        """Brings all counters up to date and copies those of live sockets."""
        high = self._high_water()
        if self.swept:
            for first in range(0, high, SWEEP_SLOTS):
                self._sweep(first)
        cells = self._cells.copy(high)
        # Counters of another socket than the slot's were read while the slot changed hands: next time.
        live = (cells["socket"] != 0) & (cells["generation"] == cells["read_generation"])
        slots = np.flatnonzero(live).astype(np.uint32)
        cells = rows_where(cells, live)
        new_slots, descriptions = self._new_descriptions(slots, cells)
        self._heal(slots, cells, new_slots, descriptions)
        return Snapshot(slots, cells, new_slots, descriptions)

    def _high_water(self) -> int:
        """Slots are given out lowest first: behind the first that never was used, none was."""
        while self._high < self.slots:
            ahead = self._cells.view(self._high + SWEEP_SLOTS)[self._high : self._high + SWEEP_SLOTS]
            used = ahead["generation"] != 0
            if not used.all():
                return self._high + int(used.argmin())
            self._high += len(used)
        return self.slots

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
        if len(missed) and "heal" in self._loaded.programs:
            heal = bpf.TestRun(self._loaded.programs["heal"], 1)
            for slot in missed.tolist():
                heal(slot)

    def detach(self) -> None:
        """Takes the hooks off: no more events; what was seen can still be read."""
        self._loaded.detach()

    def close(self) -> None:
        """Detaches; nothing is left in the kernel."""
        self._stack.close()
        for name in ("_cells", "_descriptions"):  # memory that is still mapped keeps its map in the kernel
            vars(self).pop(name, None)
