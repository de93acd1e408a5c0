"""The event types of all probes, by the number of their kind: who learns from an event, and as what struct."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from model.errors import UsageError
from model.probe import EventType, Probe, Ring
from probes.kernel.layout import enumerators_of, ring_record, rows_where, structs, structs_of

#: Kinds are one byte of ``struct event_header``.
KINDS: Final = 256
#: From this number on kinds belong to probes of others.
FIRST_OF_OTHERS: Final = 128
#: The receivers that every node has (``engine.node_actors``).
OF_TAILRACE: Final = (
    "cgroups",
    "sockets",
    "nat",
    "processes",
    "requests",
    "queries",
    "dns_names",
    "dns_answers",
    "links",
    "paths",
    "handshakes",
    "decrypted",
    "datagrams",
    "listeners",
    "drops",
)


class EventTypes:
    """What the probes declare of their events.

    :raises UsageError: if two events have one number, or one cannot be what it is declared to be.
    """

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._by_number: dict[int, EventType] = {}
        self._owners: dict[int, str] = {}
        #: The structs of all events, by name, in the order of the probes.
        self.structs: dict[str, np.dtype[np.void]] = {}
        #: The rings of their own that probes have, by name.
        self.rings: dict[str, Ring] = {}
        self._in_rings: dict[str, EventType] = {}
        self._of_receivers: dict[str, str] = {}
        for probe in probes:
            self._add_probe(probe)
        self._receivers = list(self._of_receivers)
        #: Whether events of a kind do not wait for the window of their time; by number.
        self.urgent = np.zeros(KINDS, np.bool_)
        # The place of each kind's receiver; unknown kinds are behind the last.
        self._place = np.full(KINDS, len(self._receivers), np.intp)
        for number, event in self._by_number.items():
            self._place[number] = self._receivers.index(event.receiver)
            self.urgent[number] = event.urgent

    def _add_probe(self, probe: Probe) -> None:
        try:
            layouts, numbers = structs_of(probe), enumerators_of(probe)
        except (OSError, ModuleNotFoundError) as error:
            what = (
                f"probe {probe.name}: {probe.header} of the package {probe.package} cannot be read ({error})"
            )
            raise UsageError(what, "install the package with its package data") from error
        except KeyError as error:
            what = f"probe {probe.name}: {probe.header} has a member of type {error}"
            raise UsageError(what, "use __u8 to __u64, char[], or a struct before it") from error
        for event in probe.events:
            if event.kind not in numbers or event.struct not in layouts:
                missing = event.struct if event.kind in numbers else event.kind
                raise UsageError(
                    f"probe {probe.name}: no {missing} in {probe.header or 'its sources'}", "declare it there"
                )
            self._add(probe, numbers[event.kind], event)
            self._add_struct(probe, event, layouts[event.struct])

    def _add(self, probe: Probe, number: int, event: EventType) -> None:
        if number in self._owners:
            what = f"the probes {self._owners[number]} and {probe.name} both have events of kind {number}"
            raise UsageError(what, f"give {event.kind} another number")
        first = 1 if probe.package == "bpf" else FIRST_OF_OTHERS
        if not first <= number < KINDS:
            what = f"probe {probe.name}: {event.kind} is {number}"
            raise UsageError(what, f"give it a number from {first} to {KINDS - 1}")
        if event.receiver not in (*OF_TAILRACE, *(receiver.name for receiver in probe.receivers)):
            what = f"probe {probe.name}: nobody is called {event.receiver}, who is to learn from {event.kind}"
            raise UsageError(what, "name a class in the probe's receivers")
        struct = self._of_receivers.setdefault(event.receiver, event.struct)
        if struct != event.struct:
            what = f"{event.receiver} receives events of struct {struct} and of struct {event.struct}"
            raise UsageError(what, f"give {event.kind} a receiver of its own")
        self._owners[number] = probe.name
        self._by_number[number] = event

    def _add_struct(self, probe: Probe, event: EventType, layout: np.dtype[np.void]) -> None:
        if self.structs.setdefault(event.struct, layout) != layout:
            raise UsageError(f"probe {probe.name}: another probe has a struct {event.struct}", "rename it")
        if (layout.names or ("",))[0] != "header":
            raise UsageError(
                f"probe {probe.name}: struct {event.struct} has no header", "let it begin with one"
            )
        if event.ring is None:
            shared = structs("kernel")["ring_event"].itemsize
            if layout.itemsize != shared:
                what = f"probe {probe.name}: struct {event.struct} has {layout.itemsize} bytes"
                raise UsageError(what, f"give it {shared} bytes, or a ring of its own")
            return
        self._add_ring(probe, event, event.ring, ring_record(layout).itemsize)

    def _add_ring(self, probe: Probe, event: EventType, ring: Ring, record: int) -> None:
        known = self._in_rings.setdefault(ring.name, event)
        if self.rings.setdefault(ring.name, ring) is not ring or known.receiver != event.receiver:
            raise UsageError(f"probe {probe.name}: the ring {ring.name} has another receiver", "rename it")
        if record & (record - 1) or ring.size & (ring.size - 1) or ring.size < 4096:
            what = f"probe {probe.name}: a record of the ring {ring.name} has {record} bytes of {ring.size}"
            raise UsageError(
                what, "make both powers of two, the record with the 8 bytes of the kernel's header"
            )

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each event, by its enumerator."""
        return {event.kind: number for number, event in self._by_number.items()}

    def divided(self, events: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Each receiver's events, in order, as what they are; those of unknown kinds are left out.

        :param events: of the shared ring; shape (n,).
        """
        if not len(events):
            return
        places = self._place[events["header"]["kind"]]
        counts = np.bincount(places, minlength=len(self._receivers))
        for place in np.flatnonzero(counts[: len(self._receivers)]).tolist():
            receiver = self._receivers[place]
            rows = events if counts[place] == len(events) else rows_where(events, places == place)
            yield receiver, np.ascontiguousarray(rows).view(self.structs[self._of_receivers[receiver]])

    def receiver_of(self, ring: str) -> str | None:
        """Who learns from the events of a ring of its own; None if no probe has that ring."""
        return self._in_rings[ring].receiver if ring in self._in_rings else None

    def struct_name(self, ring: str) -> str:
        """The name of the struct of a ring's events.

        :raises KeyError: if no probe has it.
        """
        return self._in_rings[ring].struct

    def struct_of(self, ring: str) -> np.dtype[np.void]:
        """How the events of a ring of its own are laid out.

        :raises KeyError: if no probe has it.
        """
        return self.structs[self.struct_name(ring)]

    def unknown(self, events: np.ndarray) -> np.ndarray:
        """Those of kinds that no probe declares."""
        return rows_where(events, self._place[events["header"]["kind"]] == len(self._receivers))

    def kinds_of(self, struct: str) -> list[int]:
        """The numbers of the events that are laid out so."""
        return [number for number, event in self._by_number.items() if event.struct == struct]

    @property
    def shared(self) -> list[str]:
        """The structs of the shared ring's events, each once."""
        return list(dict.fromkeys(event.struct for event in self._by_number.values() if not event.ring))

    @property
    def private(self) -> dict[str, tuple[str, ...]]:
        """Fields that no recording keeps, by the struct that has them."""
        return {event.struct: event.private for event in self._by_number.values() if event.private}

    @property
    def namespaces(self) -> dict[str, str]:
        """The field with the network namespace, by the struct that has one."""
        return {event.struct: event.namespace for event in self._by_number.values() if event.namespace}
