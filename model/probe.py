"""What a probe declares: BPF sources, maps, features with their hooks, event types, and its switch."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from model.arrays import Columns
from model.kind import Kind

#: Ways to attach a program: each is one function of ``probes.kernel.attach``. ``listener`` is no BPF program.
HookKind = Literal[
    "raw_tracepoint",
    "tracepoint",
    "kprobe",
    "kretprobe",
    "uprobe",
    "uretprobe",
    "fexit",
    "cgroup",
    "iterator",
    "on_request",
    "probe_part",
    "fexit_part",
    "cgroup_part",
    "socket_filter",
    "listener",
]
#: What a hook may need of the kernel's types.
Need = Literal["", "btf", "conntrack", "mptcp", "lengths", "reasons"]


@dataclass(frozen=True)
class Place:
    """Where in programs and libraries a uprobe sits.

    :param file: a path, or the name of a library such as ``libc.so.6``; empty: the file mapped by a process that has
        this ``build_id``.
    :param build_id: hexadecimal; a file with another one is refused, because an offset belongs to one build.
    :param symbol: a function by its name in the file.
    :param offset: bytes behind the symbol's beginning; without a symbol, from the beginning of the file.
    :param process: the id of the one process in which the program runs; 0: in all, also in those that begin later.
    """

    file: str = ""
    build_id: str = ""
    symbol: str = ""
    offset: int = 0
    process: int = 0

    def __str__(self) -> str:
        where = self.symbol + (f"+{self.offset:#x}" if self.offset or not self.symbol else "")
        return f"{self.file or self.build_id}:{where}" + (f" of {self.process}" if self.process else "")


@dataclass(frozen=True)
class Hook:
    """One way to get something from the kernel.

    :param program: the function in the BPF source; of a listener, its name.
    :param target: what it is attached to: a raw tracepoint, a tracepoint (``sched:sched_switch``), a function of the
        kernel, an attach type of cgroups (``inet_egress``); empty for what user space runs itself.
    :param place: for uprobes, instead of a target.
    :param others: what is attached along with it: all of them or none.
    :param way: the word of the switch that asks for this alternative alone.
    :param needs: types without which its program does not compile.
    :param macro: what is defined for the sources where its program is to be compiled.
    :param spare: compiled only where no alternative before it can be had.
    """

    program: str
    target: str = ""
    kind: HookKind = "raw_tracepoint"
    place: Place | None = None
    others: tuple["Hook", ...] = ()
    way: str = ""
    needs: Need = ""
    macro: str = ""
    spare: bool = False

    @property
    def name(self) -> str:
        """As `doctor` prints it."""
        if self.kind == "listener":
            return self.program
        if self.place:
            return f"{self.kind} {self.place}"
        if not self.target:
            return f"program {self.program}"
        return f"{self.kind.removeprefix('raw_')} {self.target}"

    @property
    def later(self) -> bool:
        """Whether its program runs in processes: compiled apart, and loaded when the first of these is found."""
        return self.kind == "probe_part"

    @property
    def parts(self) -> tuple["Hook", ...]:
        """Itself and what is attached along with it."""
        return (self, *self.others)


@dataclass(frozen=True)
class Feature:
    """Something the probe does, and the ways to it, best first: the first that attaches is taken.

    :param required: without it the probe cannot work; else ``loss`` says what is missing then.
    :param switch: the key of the configuration that chooses among the ways, if it is another than the probe's.
    """

    name: str
    purpose: str
    alternatives: tuple[Hook, ...]
    required: bool = True
    loss: str = ""
    switch: str = ""


@dataclass(frozen=True)
class Attachment:
    """Which alternative serves a feature, and why those before it were refused."""

    feature: Feature
    hook: Hook | None
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ring:
    """A ring buffer of a probe's own, for events of another size than those of the shared one.

    Its source defines it: ``BPF_RINGBUF_OUTPUT(name, NAME_BYTES / PAGE_SIZE)``. A record is the struct and the 8
    bytes of the kernel's header: together a power of two.

    :param size: bytes, a power of two.
    """

    name: str
    size: int = 1 << 18


@dataclass(frozen=True)
class EventType:
    """One kind of event that the kernel side makes.

    :param kind: its enumerator in the probe's header; no other event has its value.
    :param struct: of the same header; it begins with ``struct event_header``.
    :param receiver: the name of who learns from it; all events of one receiver have the same struct.
    :param urgent: it says something of what is in the next snapshot, and does not wait for the window of its time.
    :param private: fields that no recording keeps.
    :param namespace: the field with the network namespace that it belongs to, where it belongs to one alone.
    :param ring: by default the shared one, whose events are all as long as ``struct ring_event``.
    """

    kind: str
    struct: str
    receiver: str
    urgent: bool = False
    private: tuple[str, ...] = ()
    namespace: str = ""
    ring: Ring | None = None


class Receiver(Protocol):
    """Learns from the events of one type, and makes rows of them: what a probe of another package has of its own.

    It is made once, without arguments, and does no I/O.

    :ivar name: what the event type calls it; of the class.
    :ivar kind: of its rows; of the class.
    """

    name: str
    kind: Kind

    def take(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes events in, in order, several times a second; nothing of the array may be kept but a copy.

        :param events: an array of the event type's struct; shape (n,).
        :param offset_ns: wall clock minus the clock of ``header.at_ns``.
        """

    def rows(self) -> Columns:
        """The rows of the second that has ended: columns of its kind; those that are left out have their default."""


@dataclass(frozen=True)
class Switch:
    """Where the configuration says whether a probe is attached: ``auto``, ``on``, the name of a way, or ``off``.

    :param key: such as ``nat.source``; by default the probe's name under ``probes``.
    :param default: where ``probes`` does not name it.
    """

    key: str = ""
    default: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True)
class Probe:
    """Something that sees the kernel.

    :param package: the import package that holds the sources.
    :param sources: its files, in the order in which they are compiled; the one called ``events.h`` is read by Python.
    :param maps: those that user space reads or writes, but for rings.
    :param features: what it does; they are attached in this order.
    :param events: what its BPF programs tell.
    :param receivers: who learns from them, where that is nobody of Tailrace's own.
    :param sizes: macros of the sources, and the key of the configuration that gives each its value.
    :param switch: None: it is always attached.
    :param within: the probe whose hooks run its programs; where that is off, it is.
    :param needed_by: the probe whose programs are parts of its own: where that is on, it is attached, too.
    :param purpose: what it sees, for `tailrace plugins`; by default what its features do.
    :param cost: of processor time, while it is on, for `tailrace doctor`.
    """

    name: str
    package: str = "bpf"
    sources: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    events: tuple[EventType, ...] = ()
    receivers: tuple[type[Receiver], ...] = ()
    sizes: tuple[tuple[str, str], ...] = ()
    switch: Switch | None = Switch()
    within: str = ""
    needed_by: str = ""
    purpose: str = ""
    cost: str = ""

    @property
    def header(self) -> str:
        """The source that Python reads; empty if there is none."""
        return next((name for name in self.sources if name.split("/")[-1] == "events.h"), "")

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Its own ones."""
        return tuple(dict.fromkeys(event.ring for event in self.events if event.ring))

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """All that its features may attach."""
        ways = (way for feature in self.features for way in feature.alternatives)
        return tuple(part for way in ways for part in way.parts)
