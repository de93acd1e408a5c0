"""Recordings of another layout: read by the names of fields, or refused."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.recording import layout as recording_layout
from engine.recording.file import Recording
from engine.recording.format import End, Frame
from engine.recording.layout import ArrayReader, Layout, RecordingError, current_layouts, dtype_of, layout_of
from probes.kernel.frames import SnapshotFrame, decode
from probes.kernel.layout import parse_structs, source
from tests.declared import EVENT_TYPES, STRUCTS
from tests.unit.engine.recording.recorded_frames import event_frame, header, snapshot_frame, write

#: The headers as a later version may have them: new fields, in front of others and in reserved space.
_FOLDERS = ("listeners", "tcp", "conntrack", "process", "http", "handshake", "dns", "udp", "drops")
NOW = source("kernel") + "".join(source(folder).removeprefix(source("kernel")) for folder in _FOLDERS)
LATER = (
    NOW.replace("\t__u64 socket;", "\t__u64 inserted;\n\t__u64 socket;")
    .replace("\t__u8 reserved[32];", "\t__u32 region;\n\t__u8 reserved[28];")
    .replace("\t__u32 netns;", "\t__u32 mark;\n\t__u32 netns;\n\t__u32 pad;", 1)
    .replace("\t__u8 reserved[136];", "\t__u64 more;\n\t__u8 reserved[136];")
    .replace("\tchar arguments[128];", "\t__u64 inserted;\n\tchar arguments[128];")
    .replace("\tchar name[200];", "\tchar name[200];\n\t__u64 more;")
)
#: What every recording describes, and what those do that were made since there are such events.
ARRAYS, SINCE = (
    ("socket_event", "cell", "description", "cgroup_event"),
    (
        *("listener_event", "nat_event", "exec_event", "request_cell", "link_cell", "path_event"),
        *("decrypted_event", "hello_event", "query_cell", "dns_name_event", "answer_event"),
        *("datagram_event", "drop_cell"),
    ),
)


def layouts_of(known: Mapping[str, np.dtype[np.void]], *names: str) -> dict[str, Layout]:
    """What a recording made with these structs describes."""
    return {name: layout_of(known[name]) for name in names or (*ARRAYS, *SINCE)}


def reader_of(layouts: dict[str, Layout]) -> ArrayReader:
    """A reader of such a recording."""
    return ArrayReader(layouts, {}, EVENT_TYPES)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """This program's structs are those of ``LATER``, for readers."""
    known = parse_structs(LATER)
    current = {name: known[name] for name in (*ARRAYS, *SINCE)}
    monkeypatch.setattr(recording_layout, "current_structs", lambda _: current)


def test_every_struct_survives_its_description() -> None:
    """Offsets, sizes, nested structs, and arrays of numbers."""
    odd = np.dtype([("a", "u1"), ("b", "<u4", (3,)), ("c", "V16"), ("d", "S5")], align=True)
    for dtype in (*STRUCTS.values(), odd):
        assert dtype_of(layout_of(dtype)) == dtype


def test_the_test_changes_the_layout() -> None:
    """Fields have moved, structs have grown."""
    known = parse_structs(LATER)
    assert known["cell"].fields is not None
    assert known["cell"].fields["generation"][1] == 16
    assert (
        known["socket_event"].itemsize
        == known["cgroup_event"].itemsize
        == STRUCTS["socket_event"].itemsize + 8
    )


@pytest.mark.usefixtures("later")
def test_an_older_recording_is_read_by_the_names_of_fields() -> None:
    """Every field that both know has its value; new ones are zero, also those in space that was reserved."""
    reader = reader_of(layouts_of(STRUCTS, *ARRAYS))
    frame = event_frame(9)
    read = np.frombuffer(reader.read("events", frame.events.tobytes()), parse_structs(LATER)["socket_event"])
    closed = frame.events["header"]["kind"] != 3
    assert (read["counters"]["tx_bytes"][closed] == frame.events["counters"]["tx_bytes"][closed]).all()
    assert (read["counters"]["rtt_us"][closed] == frame.events["counters"]["rtt_us"][closed]).all()
    assert (read["socket"]["netns"][closed] == frame.events["socket"]["netns"][closed]).all()
    assert (read["socket"]["owner"][closed] == frame.events["socket"]["owner"][closed]).all()
    assert not read["region"][closed].any()
    assert not read["socket"]["mark"][closed].any()
    named = read[~closed].view(parse_structs(LATER)["cgroup_event"])
    before = frame.events[~closed].view(STRUCTS["cgroup_event"])
    assert (named["name"] == before["name"]).all()
    assert (named["id"] == before["id"]).all()


@pytest.mark.usefixtures("later")
def test_rewrites_in_an_older_recording_keep_their_fields() -> None:
    """Both tuples and the namespace are where this program has them, and sockets beside them are as they were."""
    reader = reader_of(layouts_of(STRUCTS))
    events = event_frame(6).events.copy()
    events["header"]["kind"] = [1, 4, 5, 4, 2, 3]
    rewrites = np.array([1, 2, 3])
    known = parse_structs(LATER)
    read = np.frombuffer(reader.read("events", events.tobytes()), known["socket_event"])
    entries, before = (
        read[rewrites].view(known["nat_event"]),
        events[rewrites].view(STRUCTS["nat_event"]),
    )
    for name in ("original", "reply", "netns", "zone", "protocol", "family"):
        assert (entries[name] == before[name]).all(), name
    assert read["socket"]["netns"][0] == events["socket"]["netns"][0]


@pytest.mark.usefixtures("later")
def test_executions_in_an_older_recording_keep_their_fields() -> None:
    """Process, user and path are where this program has them."""
    reader = reader_of(layouts_of(STRUCTS))
    events = event_frame(2).events.copy()
    events["header"]["kind"] = [1, 6]
    known = parse_structs(LATER)
    read = np.frombuffer(reader.read("events", events.tobytes()), known["socket_event"])
    execution, before = read[1:].view(known["exec_event"]), events[1:].view(STRUCTS["exec_event"])
    for name in ("pid", "uid", "started_ns", "executable"):
        assert (execution[name] == before[name]).all(), name


@pytest.mark.parametrize("struct", SINCE)
def test_a_recording_of_before_some_events_is_read_as_it_is(struct: str) -> None:
    """It describes no such events, and has none."""
    layouts = layouts_of(STRUCTS)
    del layouts[struct]
    events = event_frame(9).events.tobytes()
    assert reader_of(layouts).read("events", events) == events


def test_a_later_recording_is_read_by_the_names_of_fields(tmp_path: Path) -> None:
    """What this program does not know is left aside."""
    known = parse_structs(LATER)
    cells = np.zeros(3, known["cell"])
    cells["inserted"], cells["generation"], cells["counters"]["tx_bytes"] = 9, [1, 2, 3], [10, 20, 30]
    layouts = layouts_of(known, *ARRAYS)
    frame = snapshot_frame(3, 0)
    other = SnapshotFrame(
        0, 7, frame.slots, cells, frame.new_slots, np.empty(0, known["description"]), frame.kernel_stage
    )
    head = msgspec.structs.replace(header(), layouts=layouts)
    recording = Recording(write(tmp_path / "r", [Frame(0, other.encode()), End(1)], head), EVENT_TYPES)
    (read,) = (decode(frame.data) for frame in recording.frames())
    assert isinstance(read, SnapshotFrame)
    assert read.cells["generation"].tolist() == [1, 2, 3]
    assert read.cells["counters"]["tx_bytes"].tolist() == [10, 20, 30]
    assert not read.cells["socket"].any()


def test_a_number_that_became_wider_is_read() -> None:
    """All its values are values of the wider one."""
    narrow = parse_structs(NOW.replace("\t__u32 netns;", "\t__u16 netns;\n\t__u16 more;"))
    reader = reader_of(layouts_of(narrow, *ARRAYS))
    recorded = np.zeros(2, narrow["description"])
    recorded["netns"], recorded["more"] = [1, 65535], 7
    read = np.frombuffer(reader.read("descriptions", recorded.tobytes()), STRUCTS["description"])
    assert read["netns"].tolist() == [1, 65535]


@pytest.mark.parametrize(
    ("before", "now", "complaint"),
    [
        ("\t__u32 netns;", "\t__u64 netns;", "netns was recorded as uint64, and is uint32"),
        ("\tchar comm[16];", "\tchar comm[24];", "owner.comm was recorded as |S24, and is |S16"),
        (
            "\t__u8 local_address[16];",
            "\t__u8 local_address[4];\n\t__u8 rest[12];",
            "local_address was recorded as",
        ),
    ],
)
def test_a_field_that_means_something_else_is_refused(before: str, now: str, complaint: str) -> None:
    """Values that would not fit are not guessed: the error names the field."""
    known = parse_structs(NOW.replace(before, now))
    layouts = layouts_of(known, *ARRAYS)
    with pytest.raises(RecordingError) as caught:
        reader_of(layouts)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("kind", ["O", "|O8", "<f8", "<u4,<u4", "(9999,)<u4", "object"])
def test_only_plain_numbers_and_bytes_are_types(kind: str) -> None:
    """A file cannot have this program make objects of its bytes."""
    encoded = msgspec.msgpack.encode({"size": 8, "fields": [("a", 0, kind)]})
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(encoded, type=Layout)


@pytest.mark.parametrize("fields", [[("a", 5, "<u4")], [("a", 0, "<u4"), ("a", 4, "<u4")], [("a", 0, "|S9")]])
def test_a_layout_that_cannot_be_is_refused(fields: list[tuple[str, int, str | Layout]]) -> None:
    """Fields outside of the struct, and names that come twice."""
    with pytest.raises(RecordingError, match="layout cannot be read"):
        reader_of(current_layouts(EVENT_TYPES) | {"cell": Layout(8, fields)})


def test_a_missing_struct_is_refused() -> None:
    """Nothing is guessed."""
    layouts = current_layouts(EVENT_TYPES)
    del layouts["cell"]
    with pytest.raises(RecordingError, match="layout cannot be read: 'cell'"):
        reader_of(layouts)
