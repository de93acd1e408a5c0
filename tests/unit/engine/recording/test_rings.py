"""Recordings of probes that have a ring of their own: read with and without the probe."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.items import Events, Message
from actors.node.frames import Frames
from engine.recording.file import Recording
from engine.recording.format import End, Frame, Header, encode_header, new_header
from engine.recording.layout import RecordingError, layout_of
from engine.recording.privacy import Privacy
from model.ledger import Ledger
from model.probe import EventType, Probe, Ring
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import RingFrame, decode
from probes.registry import PROBES
from probes.tcp.probe import TCP
from tests.declared import EVENT_TYPES
from tests.unit.engine.recording.recorded_frames import ORIGIN, write

HEADER = """
enum asked_event { KIND_ASKED = 140 };
struct asked_event {
	struct event_header header;
	__u32 pid;
	__u32 number;
	char name[24];
};
"""


def types_of(folder: Path, monkeypatch: pytest.MonkeyPatch, header: str = HEADER) -> EventTypes:
    """Those of Tailrace, and an event of another package's probe in a ring of its own."""
    package = folder / f"asked_{len(list(folder.glob('asked_*')))}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "events.h").write_text(header)
    monkeypatch.syspath_prepend(str(folder))
    event = EventType("KIND_ASKED", "asked_event", "sockets", private=("name",), ring=Ring("asked"))
    return EventTypes(
        (
            *(probe for probe in PROBES if probe is not TCP),
            Probe("asked", package.name, ("events.h",), events=(event,)),
        )
    )


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EventTypes:
    return types_of(tmp_path, monkeypatch)


def asked(types: EventTypes, rows: int) -> np.ndarray:
    """Events of it."""
    events = np.zeros(rows, types.struct_of("asked"))
    events["header"]["kind"], events["header"]["at_ns"] = 140, np.arange(rows)
    events["pid"], events["number"], events["name"] = 7, np.arange(rows) * 3, b"secret"
    return events


def header(types: EventTypes) -> Header:
    """Of a recording made with these probes."""
    return new_header(ORIGIN, 8 << 20, 5, types)


def recorded(path: Path, types: EventTypes, data: bytes) -> Path:
    """A recording of one frame."""
    return write(path / "r", [Frame(1, data), End(2)], header(types), types)


def test_a_frame_of_a_ring_comes_out_as_it_went_in(types: EventTypes, tmp_path: Path) -> None:
    """To the last byte; and its events go to their receiver."""
    frame = RingFrame("asked", 9, asked(types, 5).tobytes())
    path = recorded(tmp_path, types, frame.encode())
    (read,) = Recording(path, types).frames()
    assert read.data == frame.encode()
    (events,) = Frames(Ledger(), types).handle(Message(read.data))
    assert isinstance(events, Events)
    assert (events.receiver, events.offset_ns, events.rows["number"].tolist()) == (
        "sockets",
        9,
        [0, 3, 6, 9, 12],
    )


def test_without_the_probe_the_rest_is_read(types: EventTypes, tmp_path: Path) -> None:
    """Its frames are left aside, and counted."""
    path = recorded(tmp_path, types, RingFrame("asked", 9, asked(types, 5).tobytes()).encode())
    (read,) = Recording(path, EVENT_TYPES).frames()
    ledger = Ledger()
    assert list(Frames(ledger, EVENT_TYPES).handle(Message(read.data))) == []
    assert (ledger.stages["frames"].delivered, ledger.stages["frames"].noted) == (1, {"unknown_ring": 1})


def test_a_later_version_of_the_probe_reads_by_the_names_of_fields(
    types: EventTypes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has moved is found, what is new is zero."""
    path = recorded(tmp_path, types, RingFrame("asked", 9, asked(types, 3).tobytes()).encode())
    moved = HEADER.replace("\t__u32 pid;", "\t__u64 more[8];\n\t__u32 pid;")
    later = types_of(tmp_path, monkeypatch, moved)
    (read,) = Recording(path, later).frames()
    frame = decode(read.data)
    assert isinstance(frame, RingFrame)
    events = np.frombuffer(frame.records, later.struct_of("asked"))
    assert (events["number"].tolist(), events["pid"].tolist()) == ([0, 3, 6], [7, 7, 7])
    assert not events["more"].any()


def test_private_fields_of_a_ring_are_in_no_recording(types: EventTypes) -> None:
    """The others stay; a ring that nobody declares is left as it is."""
    frame = RingFrame("asked", 9, asked(types, 3).tobytes())
    left = decode(Privacy(types).without(frame.encode()))
    assert isinstance(left, RingFrame)
    events = np.frombuffer(left.records, types.struct_of("asked"))
    assert (events["name"].tolist(), events["number"].tolist()) == ([b"", b"", b""], [0, 3, 6])
    unknown = RingFrame("others", 9, b"abc").encode()
    assert Privacy(types).without(unknown) is unknown


def test_without_rings_the_header_is_that_of_before() -> None:
    """Byte for byte: the new key is left out."""
    fields = msgspec.to_builtins(header(EVENT_TYPES))
    assert "rings" not in fields
    assert list(fields)[-1] == "layouts"
    assert list(fields["layouts"]) == [
        *("socket_event", "cell", "description", "cgroup_event", "listener_event", "nat_event", "exec_event"),
        *("request_cell", "link_cell", "path_event", "decrypted_event", "hello_event"),
        *("query_cell", "dns_name_event", "answer_event", "datagram_event", "drop_cell"),
    ]


def test_a_ring_whose_struct_is_not_described_is_refused(types: EventTypes, tmp_path: Path) -> None:
    """So is one of half a record."""
    head = header(types)
    layouts = {name: layout for name, layout in head.layouts.items() if name != "asked_event"}
    damaged = tmp_path / "damaged"
    damaged.write_bytes(encode_header(msgspec.structs.replace(head, layouts=layouts)))
    with pytest.raises(RecordingError, match="layout cannot be read: 'asked_event'"):
        Recording(damaged, EVENT_TYPES)
    small = {**head.layouts, "asked_event": layout_of(np.dtype([("pid", "<u4")]))}
    other = msgspec.structs.replace(head, layouts=small)
    path = write(
        tmp_path / "r", [Frame(1, RingFrame("asked", 9, b"12345678").encode()), End(2)], other, types
    )
    (read,) = Recording(path, types).frames()
    frame = decode(read.data)
    assert isinstance(frame, RingFrame)
    assert len(np.frombuffer(frame.records, types.struct_of("asked"))) == 2
