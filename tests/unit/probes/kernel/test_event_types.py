"""Which events there are: numbers that no two share, and who learns from each."""

import numpy as np
import pytest

from model.errors import ProbeError
from model.probe import EventType, Probe
from probes.kernel.event_types import EventTypes, number_of
from probes.kernel.layout import enums, structs
from probes.registry import PROBES

KIND = enums()["event_kind"]
EXECUTION = EventType("KIND_EXEC", "exec_event", "processes", private=("arguments",))


def events_of(*kinds: int) -> np.ndarray:
    """Events of these kinds, each made one nanosecond after the one before."""
    events = np.zeros(len(kinds), structs()["socket_event"])
    events["header"]["kind"], events["header"]["at_ns"] = kinds, np.arange(len(kinds))
    return events


def test_every_kind_of_the_header_is_declared_by_one_probe() -> None:
    """No probe's event is forgotten, and none is declared twice."""
    declared = [event for probe in PROBES for event in probe.events]
    assert sorted(number_of(event) for event in declared) == sorted(KIND.values())


def test_two_probes_with_one_number_are_refused() -> None:
    """The error names both probes, the number, and the event to change."""
    mine = Probe("mine", (EXECUTION,))
    with pytest.raises(ProbeError, match=r"probes process and mine both have events of kind 6.*KIND_EXEC"):
        EventTypes((*PROBES, mine))


def test_a_receiver_has_one_struct() -> None:
    """Whoever learns from events knows how they are laid out."""
    mine = Probe("mine", (EXECUTION, EventType("KIND_NAT_NEW", "nat_event", "processes")))
    with pytest.raises(ProbeError, match=r"processes receives .*exec_event and of struct nat_event"):
        EventTypes((mine,))


def test_events_are_divided_by_receiver_in_order() -> None:
    """Each receiver has its events as its struct, in the order in which they were made; unknown ones are left out."""
    kinds = [KIND[f"KIND_{name}"] for name in ("NAT_DELETED", "CLOSE", "NAT_NEW", "FAIL")]
    divided = dict(EventTypes(PROBES).divided(events_of(99, *kinds)))
    assert {receiver: rows["header"]["at_ns"].tolist() for receiver, rows in divided.items()} == {
        "sockets": [2, 4],
        "nat": [1, 3],
    }
    assert divided["nat"].dtype == structs()["nat_event"]


def test_events_of_one_receiver_are_not_copied() -> None:
    """What most frames hold goes on as it came."""
    events = events_of(KIND["KIND_CLOSE"], KIND["KIND_FAIL"])
    ((receiver, rows),) = EventTypes(PROBES).divided(events)
    assert (receiver, np.shares_memory(rows, events)) == ("sockets", True)


def test_no_events_are_divided_into_nothing() -> None:
    """An empty frame reaches nobody."""
    assert list(EventTypes(PROBES).divided(events_of())) == []


def test_what_is_urgent_and_what_is_private_is_declared() -> None:
    """Ends of sockets wait for the window of their time; arguments of programs are in no recording."""
    types = EventTypes(PROBES)
    waiting = {name for name, number in KIND.items() if not types.urgent[number]}
    assert waiting == {"KIND_CLOSE", "KIND_FAIL"}
    assert types.private == {"exec_event": ("arguments", "arguments_bytes")}
