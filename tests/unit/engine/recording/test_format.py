"""The file of ``tailrace record``: what goes in comes out, and a file that is damaged harms nobody."""

import contextlib
import tracemalloc
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.recording import format as recording
from engine.recording.file import CUT, Recording
from engine.recording.format import LENGTH, MAGIC, Codec, End, Frame, Lost, decode_header, encode_header
from engine.recording.layout import RecordingError
from probes.kernel.frames import SnapshotFrame
from tests.declared import EVENT_TYPES
from tests.unit.engine.recording.recorded_frames import (
    SLOTS,
    event_frame,
    header,
    snapshot_frame,
    some_frames,
    write,
    write_whole,
)

FRAMES = st.one_of(
    st.builds(event_frame, st.integers(0, 40), st.integers(0, 1000)),
    st.builds(snapshot_frame, st.integers(0, SLOTS), st.integers(0, SLOTS), st.integers(0, 1000)),
)


def unpack(encoded: bytes) -> bytes:
    """A record without its length."""
    assert LENGTH.unpack_from(encoded) == (len(encoded) - LENGTH.size,)
    return encoded[LENGTH.size :]


@given(frame=FRAMES, at_ns=st.integers(0, 1 << 62))
def test_a_frame_comes_out_as_it_went_in(frame: SnapshotFrame, at_ns: int) -> None:
    """The bytes for the topic are the same, whatever the rows hold."""
    codec = Codec(header(), EVENT_TYPES)
    record = Frame(at_ns, frame.encode())
    assert codec.decode(unpack(codec.encode(record))) == record


@pytest.mark.parametrize("record", [Lost(7), End(123)])
def test_marks_come_out_as_they_went_in(record: Lost | End) -> None:
    """So do losses and the end."""
    codec = Codec(header(), EVENT_TYPES)
    assert codec.decode(unpack(codec.encode(record))) == record


def test_the_header_comes_out_as_it_went_in() -> None:
    """Node, boot, slots, times, and every field of every struct."""
    encoded = encode_header(header())
    assert encoded.startswith(MAGIC)
    assert decode_header(unpack(encoded[len(MAGIC) :])) == header()


def test_a_whole_file_gives_all_frames_and_no_complaint(tmp_path: Path) -> None:
    """Frames in order, and how many are missing."""
    first, *rest = some_frames()
    recording_ = Recording(write(tmp_path / "r", [first, Lost(3), *rest, End(1)]), EVENT_TYPES)
    assert list(recording_.frames()) == some_frames()
    assert (recording_.lost, recording_.complaint) == (3, "")
    assert recording_.header.origin == header().origin


def test_a_file_cut_at_any_byte_gives_what_is_whole(tmp_path: Path) -> None:
    """Every whole frame before the cut comes out, and the reader is told; a header that is cut is refused."""
    whole = write_whole(tmp_path / "whole", some_frames()).read_bytes()
    codec, cut = Codec(header(), EVENT_TYPES), tmp_path / "cut"
    ends = [len(encode_header(header()))]
    for frame in some_frames():
        ends.append(ends[-1] + len(codec.encode(frame)))
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        if size < ends[0]:
            with pytest.raises(RecordingError, match=r"is no recording|is cut short in its header"):
                Recording(cut, EVENT_TYPES)
            continue
        recording_ = Recording(cut, EVENT_TYPES)
        assert list(recording_.frames()) == some_frames()[: sum(end <= size for end in ends[1:])]
        assert recording_.complaint == CUT
        recording_.close()


@settings(max_examples=300)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    """Frames that come out are those that went in, in order; anything else is an error with a sentence."""
    path = tmp_path_factory.mktemp("flipped") / "r"
    data = bytearray(write_whole(path, some_frames()).read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    frames: list[Frame] = []
    with contextlib.suppress(RecordingError):
        for frame in Recording(path, EVENT_TYPES).frames():
            frames.append(frame)
    assert frames == some_frames()[: len(frames)]


def test_a_damaged_record_ends_the_reading_with_an_error(tmp_path: Path) -> None:
    """What is before it was given."""
    path = write_whole(tmp_path / "r", some_frames())
    data = bytearray(path.read_bytes())
    place = (
        len(encode_header(header()))
        + len(Codec(header(), EVENT_TYPES).encode(some_frames()[0]))
        + LENGTH.size
        + 9
    )
    data[place] ^= 0xFF
    path.write_bytes(data)
    frames = Recording(path, EVENT_TYPES).frames()
    assert next(frames) == some_frames()[0]
    with pytest.raises(RecordingError, match="a record is damaged"):
        next(frames)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x7fELF" * 10, MAGIC, MAGIC + LENGTH.pack(1 << 31)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """One sentence says that it is no recording, or that its header is not whole."""
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"is no recording: make one|is cut short in its header: record"):
        Recording(path, EVENT_TYPES)


@pytest.mark.parametrize("versions", [{"format": 2}, {"frame_version": 99}])
def test_another_version_is_refused_by_name(tmp_path: Path, versions: dict[str, int]) -> None:
    """The error names both versions, and what to do."""
    other = msgspec.structs.replace(header(), program="9.8.7", **versions)
    with pytest.raises(RecordingError, match=r"9\.8\.7 .* replay it with the version that recorded it"):
        Recording(write(tmp_path / "r", [], other), EVENT_TYPES)


@pytest.mark.parametrize("changes", [{"slots": 1 << 40}, {"slots": 0}, {"started_ns": -1}])
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    """No table of a trillion slots is made."""
    with pytest.raises(RecordingError, match="header is damaged"):
        Recording(write(tmp_path / "r", [], msgspec.structs.replace(header(), **changes)), EVENT_TYPES)


def test_huge_lengths_and_bombs_take_no_memory(tmp_path: Path) -> None:
    """A length beyond the file, or a header that would unpack to 64 MB, is refused without making room for it."""
    beyond = write(tmp_path / "beyond", some_frames())
    with beyond.open("ab") as file:
        file.write(LENGTH.pack(0xFFFFFFFF) + b"x")
    bomb = tmp_path / "bomb"
    packed = zlib.compress(bytes(64 << 20), 9)
    bomb.write_bytes(MAGIC + LENGTH.pack(len(packed)) + packed)
    del packed
    tracemalloc.start()
    try:
        assert list(Recording(beyond, EVENT_TYPES).frames()) == some_frames()
        with pytest.raises(RecordingError, match="header is damaged"):
            Recording(bomb, EVENT_TYPES)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_longer_than_any_frame_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small it is packed."""
    path = write_whole(tmp_path / "r", [Frame(0, event_frame(200).encode())])
    monkeypatch.setattr(recording, "FRAME_BYTES", 0)
    monkeypatch.setattr(recording, "HEADER_BYTES", 100)
    codec = Codec(header(), EVENT_TYPES)
    with pytest.raises(RecordingError, match="a record is damaged"):
        codec.decode(path.read_bytes()[len(encode_header(header())) + LENGTH.size :])


@pytest.mark.parametrize("frame", [event_frame(SLOTS), snapshot_frame(SLOTS, 0), snapshot_frame(0, SLOTS)])
def test_a_slot_that_does_not_exist_is_refused(tmp_path: Path, frame: SnapshotFrame) -> None:
    """The socket table would be asked for a row that it does not have."""
    small = msgspec.structs.replace(header(), slots=SLOTS - 1)
    path = write(tmp_path / "r", [Frame(0, frame.encode())], small)
    with pytest.raises(RecordingError, match=f"slot {SLOTS - 1} of {SLOTS - 1}"):
        list(Recording(path, EVENT_TYPES).frames())
