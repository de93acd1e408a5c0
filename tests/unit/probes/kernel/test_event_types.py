"""Which events there are: numbers that no two share, and who learns from each."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import UsageError
from model.probe import EventType, Probe, Ring
from probes.kernel.event_types import OF_TAILRACE, EventTypes
from probes.kernel.layout import enums, structs
from probes.registry import PROBES
from tests.declared import EVENT_TYPES, KIND, receiver

EXECUTION = EventType("KIND_EXEC", "exec_event", "processes", private=("arguments",))


def events_of(*kinds: int) -> np.ndarray:
    """Events of these kinds, each made one nanosecond after the one before."""
    events = np.zeros(len(kinds), structs("tcp")["socket_event"])
    events["header"]["kind"], events["header"]["at_ns"] = kinds, np.arange(len(kinds))
    return events


def probe(*events: EventType, folder: str = "process", name: str = "mine", package: str = "bpf") -> Probe:
    """One that tells of these events, with the header of one of Tailrace's folders."""
    receivers = tuple(receiver(name) for name in {event.receiver for event in events} - {*OF_TAILRACE})
    return Probe(name, package, (f"{folder}/events.h",), events=events, receivers=receivers)


def test_every_kind_of_the_headers_is_declared_by_one_probe() -> None:
    """No event is forgotten, and none is declared twice."""
    numbers = [
        number
        for folder in (
            "kernel",
            "tcp",
            "conntrack",
            "process",
            "http",
            "handshake",
            "udp",
            *("listeners", "dns"),
            "drops",
        )
        for name, number in enums(folder)[f"{folder}_event"].items()
        if name not in ("KIND_DNS_MESSAGE", "KIND_DNS_EXCHANGE")  # they never leave their rings
    ]
    assert sorted(KIND.values()) == sorted(numbers)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (probe(EXECUTION), "the probes process and mine both have events of kind 6: give KIND_EXEC another"),
        (probe(replace(EXECUTION, kind="KIND_NONE")), "probe mine: no KIND_NONE in process/events.h"),
        (probe(replace(EXECUTION, struct="nothing")), "probe mine: no nothing in process/events.h"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(wrong: Probe, message: str) -> None:
    """The error names the probes, the event, and what to change."""
    with pytest.raises(UsageError, match=message):
        EventTypes((*PROBES, wrong))


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (EventType("KIND_CLOSE", "cell", "cells"), "struct cell has no header: let it begin with one"),
        (EventType("KIND_CLOSE", "event_header", "heads"), "struct event_header has no header"),
        (
            EventType("KIND_CLOSE", "socket_event", "sockets", ring=Ring("own", 5000)),
            "a record of the ring own has 256 bytes of 5000: make both powers of two",
        ),
    ],
)
def test_an_event_that_fits_no_ring_is_refused(event: EventType, message: str) -> None:
    """Structs begin with the header; on the shared ring all are as long, on others records are powers of two."""
    with pytest.raises(UsageError, match=message):
        EventTypes((probe(event, folder="tcp"),))


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Probe]:
    """A probe of a package of somebody else's, with a header of this text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_probe", raising=False)
    package = tmp_path / "their_probe"
    package.mkdir()
    (package / "__init__.py").touch()

    def made(header: str) -> Probe:
        (package / "events.h").write_text(header)
        event = EventType("KIND_THEIRS", "their_event", "theirs", ring=Ring("theirs"))
        return Probe("theirs", "their_probe", ("events.h",), events=(event,), receivers=(receiver("theirs"),))

    return made


THEIRS = (
    "enum their_event {\n\tKIND_THEIRS = 130,\n};\nstruct their_event {\n\tstruct event_header header;\n};"
)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (THEIRS.replace("130", "99"), "probe theirs: KIND_THEIRS is 99: give it a number from 128 to 255"),
        (
            THEIRS.replace("header;", "header;\n\tlong more;"),
            "events.h has a member of type 'long': use __u8",
        ),
        (THEIRS.replace("header;", "header;\n\t__u8 more[8];"), "a record of the ring theirs has 40 bytes"),
    ],
)
def test_a_header_of_others_is_checked(theirs: Callable[[str], Probe], header: str, message: str) -> None:
    """Its numbers do not meet those of later versions, and its structs can be laid out in Python."""
    with pytest.raises(UsageError, match=message):
        EventTypes((*PROBES, theirs(header)))


def test_a_probe_of_others_is_known(theirs: Callable[[str], Probe]) -> None:
    """By the number of its kind; its struct builds on the shared header."""
    types = EventTypes((*PROBES, theirs(THEIRS)))
    assert types.numbers["KIND_THEIRS"] == 130
    assert types.struct_of("theirs").itemsize == 24


def test_a_header_that_is_not_there_is_named() -> None:
    """The error says which package lacks it."""
    missing = probe(EXECUTION, folder="none", name="theirs")
    with pytest.raises(UsageError, match=r"probe theirs: none/events.h of the package bpf cannot be read"):
        EventTypes((missing,))


def test_a_receiver_that_nobody_is_is_refused() -> None:
    """Its events would reach nobody."""
    lost = Probe("lost", sources=("process/events.h",), events=(replace(EXECUTION, receiver="nobody"),))
    with pytest.raises(
        UsageError, match="probe lost: nobody is called nobody, who is to learn from KIND_EXEC"
    ):
        EventTypes((lost,))


def test_a_receiver_has_one_struct() -> None:
    """Whoever learns from events knows how they are laid out."""
    tcp = EventType("KIND_CLOSE", "socket_event", "processes")
    with pytest.raises(UsageError, match=r"processes receives .*exec_event and of struct socket_event"):
        EventTypes((probe(EXECUTION), probe(tcp, folder="tcp", name="more")))


def test_events_are_divided_by_receiver_in_order() -> None:
    """Each receiver has its events as its struct, in the order in which they were made; unknown ones are left out."""
    kinds = [KIND[f"KIND_{name}"] for name in ("NAT_DELETED", "CLOSE", "NAT_NEW", "FAIL")]
    divided = dict(EVENT_TYPES.divided(events_of(99, *kinds)))
    assert {receiver: rows["header"]["at_ns"].tolist() for receiver, rows in divided.items()} == {
        "sockets": [2, 4],
        "nat": [1, 3],
    }
    assert divided["nat"].dtype == structs("conntrack")["nat_event"]


def test_events_of_one_receiver_are_not_copied() -> None:
    """What most frames hold goes on as it came."""
    events = events_of(KIND["KIND_CLOSE"], KIND["KIND_FAIL"])
    ((receiver, rows),) = EVENT_TYPES.divided(events)
    assert (receiver, np.shares_memory(rows, events)) == ("sockets", True)


def test_no_events_are_divided_into_nothing() -> None:
    """An empty frame reaches nobody."""
    assert list(EVENT_TYPES.divided(events_of())) == []


def test_what_is_urgent_and_what_is_private_is_declared() -> None:
    """Ends of sockets wait for the window of their time; arguments of programs are in no recording."""
    types = EVENT_TYPES
    waiting = {name for name, number in KIND.items() if not types.urgent[number]}
    assert waiting == {"KIND_CLOSE", "KIND_FAIL", "KIND_DATAGRAMS"}
    assert types.private == {"exec_event": ("arguments", "arguments_bytes")}


def test_a_ring_of_its_own_has_one_receiver() -> None:
    """Its frames name the ring; one that no probe has is known by nobody."""
    ring = Ring("ends")
    types = EventTypes((probe(EventType("KIND_CLOSE", "socket_event", "ends", ring=ring), folder="tcp"),))
    assert types.rings == {"ends": ring}
    assert types.struct_of("ends") == structs("tcp")["socket_event"]
    assert (types.receiver_of("ends"), types.receiver_of("others"), types.shared) == ("ends", None, [])
