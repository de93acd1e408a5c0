"""The file of ``tailrace record``: a magic number, then records: a header, what came, and an end mark.

A record is the length of what follows (4 bytes, little-endian) and one zlib stream of msgpack, each on its own: a
file that was cut is readable up to its last whole record. Arrays of structs are stored byte by byte (all first bytes,
then all second ones), which zlib compresses to half of what it makes of rows. docs/recording.md has the figures.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgpack
import msgspec
import numpy as np

from engine.recording.layout import ArrayReader, Layout, RecordingError, current_layouts
from model import version
from model.errors import one_line
from model.frame_source import Origin
from model.kinds.delta import NO_SLOT
from probes.kernel import frames
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame, RingFrame

MAGIC: Final = b"\x89tlrace\n"
VERSION: Final = 1
#: The length in front of a record.
LENGTH: Final = struct.Struct("<I")
#: Bytes of a header at most, packed or not.
HEADER_BYTES: Final = 1 << 20
#: Bytes of a frame at most: a snapshot of more than a million open sockets.
FRAME_BYTES: Final = 256 << 20

#: 3 saves 6 % against 1 for no more time; 6 another 6 % for half as much again.
_LEVEL: Final = 3

_REMEDY: Final = "record again, or replay a copy that is whole"

_Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the frames come from, and how they are laid out.

    :param format: version of the file format.
    :param frame_version: of the frames (``probes.kernel.frames.VERSION``).
    :param program: the version that recorded.
    :param rings: the struct of each ring of a probe's own; left out if there is none.
    :param udp_slots: of ``slots``, those of UDP's flows.
    :param started_ns: wall clock, nanoseconds since the epoch; frames count from here.
    """

    format: int
    frame_version: int
    program: str
    node: str
    boot: str
    slots: Annotated[int, msgspec.Meta(ge=1, le=1 << 23)]
    ring_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)]
    started_ns: _Count
    layouts: dict[str, Layout]
    rings: dict[str, str] = {}
    udp_slots: Annotated[int, msgspec.Meta(ge=0, le=1 << 22)] = 0

    @property
    def origin(self) -> Origin:
        """Whose frames they are."""
        return Origin(self.node, self.boot, self.slots, self.udp_slots)


@dataclass(frozen=True)
class Frame:
    """One frame as it went onto the topic, ``at_ns`` nanoseconds after the start."""

    at_ns: int
    data: bytes


class Lost(msgspec.Struct, frozen=True, tag_field="kind", tag="lost"):
    """So many frames that came here are missing."""

    frames: _Count


class End(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """The recorder ended in good order, ``at_ns`` nanoseconds after the start."""

    at_ns: _Count


class _Frame(msgspec.Struct, frozen=True, tag_field="kind", tag="frame"):
    at_ns: _Count
    message: dict[str, Any]


Record = Frame | Lost | End


def new_header(origin: Origin, ring_bytes: int, started_ns: int, event_types: EventTypes) -> Header:
    """The header of a recording that begins now."""
    rings = {ring: event_types.struct_name(ring) for ring in event_types.rings}
    return Header(
        VERSION,
        frames.VERSION,
        version.VERSION,
        origin.node,
        origin.boot,
        origin.slots,
        ring_bytes,
        started_ns,
        current_layouts(event_types),
        rings,
        origin.udp_slots,
    )


def encode_header(header: Header) -> bytes:
    """The beginning of a file."""
    return MAGIC + _packed(msgspec.msgpack.encode(header))


def decode_header(packed: bytes) -> Header:
    """The header in the first record, without its length.

    :raises RecordingError: if it is none, or of a version that this program does not read.
    """
    try:
        plain = _unpacked(packed, HEADER_BYTES)
        versions = msgspec.msgpack.decode(plain, type=_Versions)
        if versions.readable:
            return msgspec.msgpack.decode(plain, type=Header)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"its header is damaged ({error})", _REMEDY) from error
    raise RecordingError(
        f"it is of version {versions.program} in format {versions.format}.{versions.frame_version}, and this program"
        f" reads {VERSION}.{frames.VERSION}",
        "replay it with the version that recorded it",
    )


class _Versions(msgspec.Struct, frozen=True):
    """What every format's header has."""

    format: int
    frame_version: int
    program: str

    @property
    def readable(self) -> bool:
        return (self.format, self.frame_version) == (VERSION, frames.VERSION)


class Codec:
    """Packs and unpacks the records of one recording.

    :raises RecordingError: if the header's layout cannot be read as this program's.
    """

    def __init__(self, header: Header, event_types: EventTypes) -> None:
        self._slots = header.slots
        self._event_types = event_types
        self._arrays = ArrayReader(header.layouts, header.rings, event_types)

    def encode(self, record: Record) -> bytes:
        """The record as it stands in the file, its length in front.

        :raises ValueError: if the frame is no message of arrays as the header describes them.
        """
        if not isinstance(record, Frame):
            return _packed(msgspec.msgpack.encode(record))
        message = msgpack.unpackb(record.data)
        ring = message.get("ring", "")
        for name in message:
            if (size := self._arrays.item_bytes(name, ring)) > 1:
                message[name] = _columns(message[name], size)
        return _packed(msgspec.msgpack.encode(_Frame(record.at_ns, message)))

    def decode(self, packed: bytes) -> Record:
        """The record in what follows its length; a frame in this program's layout.

        :raises RecordingError: if it is damaged.
        """
        try:
            plain = _unpacked(packed, FRAME_BYTES + HEADER_BYTES)
            record = msgspec.msgpack.decode(plain, type=_Frame | Lost | End)
            return self._frame(record) if isinstance(record, _Frame) else record
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordingError(f"a record is damaged ({one_line(error)})", _REMEDY) from error

    def _frame(self, record: _Frame) -> Frame:
        message = record.message
        ring = message.get("ring", "")
        for name in message:
            if (size := self._arrays.item_bytes(name, ring)) > 1:
                message[name] = self._arrays.read(name, _rows(message[name], size), ring)
        data = msgpack.packb(message)
        self._check(data)
        return Frame(record.at_ns, data)

    def _check(self, data: bytes) -> None:
        """What is replayed comes to the same actors as what the kernel gives, which need not be doubted."""
        frame = frames.decode(data)
        if isinstance(frame, RingFrame):
            if frame.ring in self._event_types.rings:
                np.frombuffer(frame.records, self._event_types.struct_of(frame.ring))
            return
        if isinstance(frame, EventFrame):
            slots = frame.events["header"]["slot"]
            slots = slots[slots != NO_SLOT]
        else:
            slots = np.concatenate((frame.slots, frame.new_slots))
            if (len(frame.cells), len(frame.descriptions)) != (len(frame.slots), len(frame.new_slots)):
                raise ValueError("columns of different lengths")
        if len(slots) and int(slots.max()) >= self._slots:
            raise ValueError(f"slot {slots.max()} of {self._slots}")


def _columns(data: bytes, size: int) -> bytes:
    """The first byte of every item, then the second one of every item, …

    :raises ValueError: if ``data`` is no whole number of items of ``size`` bytes.
    """
    return np.frombuffer(data, np.uint8).reshape(-1, size).T.tobytes()


def _rows(data: bytes, size: int) -> bytes:
    """Undoes ``_columns``."""
    return np.frombuffer(data, np.uint8).reshape(size, -1).T.tobytes()


def _packed(plain: bytes) -> bytes:
    packed = zlib.compress(plain, _LEVEL)
    return LENGTH.pack(len(packed)) + packed


def _unpacked(packed: bytes, limit: int) -> bytes:
    """:raises ValueError: if it is damaged, or would become longer than ``limit``."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof or stream.unused_data:
        raise ValueError("not the whole of a zlib stream")
    return plain
