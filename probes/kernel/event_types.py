"""The event types of all probes, by the number of their kind: who learns from an event, and as what struct."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from model.errors import ProbeError
from model.probe import EventType, Probe
from probes.kernel.layout import enums, rows_where, structs

#: Kinds are one byte of ``struct event_header``.
KINDS: Final = 256


class EventTypes:
    """What the probes declare of their events.

    :raises ProbeError: if two events have one number, or the events of one receiver have two structs.
    """

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._by_number: dict[int, EventType] = {}
        self._structs: dict[str, str] = {}  # by receiver
        owners: dict[int, str] = {}
        for probe in probes:
            for event in probe.events:
                number = number_of(event)
                if number in owners:
                    what = f"the probes {owners[number]} and {probe.name} both have events of kind {number}"
                    raise ProbeError(what, f"give {event.kind} another number")
                owners[number] = probe.name
                self._add(number, event)
        self._receivers = list(self._structs)
        # The place of each kind's receiver; unknown kinds are behind the last.
        self._place = np.full(KINDS, len(self._receivers), np.intp)
        #: Whether events of a kind do not wait for the window of their time; by number.
        self.urgent = np.zeros(KINDS, np.bool_)
        for number, event in self._by_number.items():
            self._place[number] = self._receivers.index(event.receiver)
            self.urgent[number] = event.urgent

    def _add(self, number: int, event: EventType) -> None:
        self._by_number[number] = event
        struct = self._structs.setdefault(event.receiver, event.struct)
        if struct != event.struct:
            what = f"{event.receiver} receives events of struct {struct} and of struct {event.struct}"
            raise ProbeError(what, f"give {event.kind} a receiver of its own")

    def divided(self, events: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Each receiver's events, in order, as what they are; those of unknown kinds are left out.

        :param events: records of the ring; shape (n,).
        """
        if not len(events):
            return
        places = self._place[events["header"]["kind"]]
        counts = np.bincount(places, minlength=len(self._receivers))
        for place in np.flatnonzero(counts[: len(self._receivers)]).tolist():
            receiver = self._receivers[place]
            rows = events if counts[place] == len(events) else rows_where(events, places == place)
            yield receiver, np.ascontiguousarray(rows).view(structs()[self._structs[receiver]])

    def unknown(self, events: np.ndarray) -> np.ndarray:
        """Those of kinds that no probe declares."""
        return rows_where(events, self._place[events["header"]["kind"]] == len(self._receivers))

    def kinds_of(self, struct: str) -> list[int]:
        """The numbers of the events that are laid out so."""
        return [number for number, event in self._by_number.items() if event.struct == struct]

    @property
    def structs(self) -> list[str]:
        """The structs of all events, each once, in the order of the probes."""
        return list(dict.fromkeys(event.struct for event in self._by_number.values()))

    @property
    def private(self) -> dict[str, tuple[str, ...]]:
        """Fields that no recording keeps, by the struct that has them."""
        return {event.struct: event.private for event in self._by_number.values() if event.private}


def number_of(event: EventType) -> int:
    """The value of an event's enumerator."""
    return enums()["event_kind"][event.kind]
