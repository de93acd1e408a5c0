"""Messages of DNS (RFC 1035), whole columns of packets at a time: no object for each, no pointer ever followed.

Packets are of anybody: lengths are checked against what was taken, turns of loops are bounded, and what is no message
is left out. Text is made of names only where somebody asks for it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.dns.hashes import hashed_bytes
from probes.kernel.layout import structs

RECORD: Final = structs("dns")["dns_record"]
#: Bytes of a packet that a record has.
PAYLOAD: Final = RECORD["payload"].itemsize
IPPROTO_TCP: Final = 6
#: Of the header; of the shortest message with a question.
_HEADER, _SHORTEST = 12, 17
#: Bytes of the longest name, as it is sent.
NAME_BYTES: Final = 255
#: Bytes of each packet, with room behind what a record has.
_ROOM: Final = PAYLOAD + NAME_BYTES + 65
#: Messages of one packet of TCP that are looked for, records of one answer, and labels of one name.
_MESSAGES, _RECORDS, _LABELS = 8, 64, 128
#: Of questions: IN, CH, HS, NONE, ANY.
_CLASSES: Final = np.array([1, 3, 4, 254, 255])
_A, _AAAA, _OPT, _IN = 1, 28, 41, 1

#: One message: the packet that it is in, where it begins there and where its name ends, and what it says.
MESSAGE: Final = np.dtype(
    [
        ("packet", "<i4"),
        ("begin", "<i4"),
        ("name_end", "<i4"),
        ("id", "<u2"),
        ("type", "<u2"),
        ("rcode", "<u2"),
        ("answers", "<u2"),
        ("is_answer", "?"),
        ("truncated", "?"),
        ("name", "<u8"),
        ("label", "<u8"),
    ]
)
#: An address in an answer: the place of its message, and how many seconds it holds.
ADDRESS: Final = np.dtype([("message", "<i4"), ("type", "<u2"), ("ttl", "<u4"), ("address", "V16")])


@dataclass(frozen=True)
class Messages:
    """What packets had, in the order in which they came.

    :param rows: ``MESSAGE``; shape (n,).
    :param addresses: ``ADDRESS``, of all answers; shape (m,).
    :param bad: packets in which there is no message.
    """

    rows: np.ndarray
    addresses: np.ndarray
    bad: int


class _Packets:
    """The bytes of packets, with room behind them, so that a step needs no check before it.

    :ivar taken: bytes of each that are there.
    """

    def __init__(self, records: np.ndarray) -> None:
        self.taken = np.minimum(records["length"], PAYLOAD).astype(np.int32)
        self._bytes = np.empty((len(records), _ROOM), np.uint8)
        self._bytes[:, PAYLOAD:] = 0
        self._bytes[:, :PAYLOAD].view(f"V{PAYLOAD}")[:, 0] = records["payload"]
        self._flat = self._bytes.reshape(-1)

    def byte(self, packets: np.ndarray, at: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._flat.take(packets * _ROOM + at)
        return found

    def number(self, packets: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Of two bytes; int32."""
        places = packets * _ROOM + at
        found: np.ndarray = self._flat.take(places).astype(np.int32) << 8 | self._flat.take(places + 1)
        return found

    def texts(self, packets: np.ndarray, at: np.ndarray, width: int) -> np.ndarray:
        """So many bytes from each place on; shape (n, width)."""
        windows = np.lib.stride_tricks.sliding_window_view(self._bytes, width, axis=1)
        found: np.ndarray = windows[packets, at]
        return found


def parse(records: np.ndarray) -> Messages:
    """The messages of some packets.

    :param records: ``RECORD``; shape (n,).
    """
    packets = _Packets(records)
    where, begin = _begins(packets, records["transport"] == IPPROTO_TCP)
    end = _name_ends(packets, where, begin + _HEADER)
    whole = np.flatnonzero((end >= 0) & (end + 5 <= packets.taken[where]))
    where, begin, end = where[whole], begin[whole], end[whole]
    known = np.isin(packets.number(where, end + 3) & 0x7FFF, _CLASSES)
    where, begin, end = where[known], begin[known], end[known]
    rows = np.zeros(len(where), MESSAGE)
    rows["packet"], rows["begin"], rows["name_end"] = where, begin, end
    rows["id"], rows["type"] = packets.number(where, begin), packets.number(where, end + 1)
    flags = packets.number(where, begin + 2)
    rows["is_answer"], rows["truncated"], rows["rcode"] = flags & 0x8000 != 0, flags & 0x200 != 0, flags & 15
    rows["answers"] = packets.number(where, begin + 6)
    rows["rcode"] |= _extended(packets, rows)
    _fill_hashes(packets, rows)
    bad = len(records) - int(np.count_nonzero(np.bincount(where)))
    return Messages(rows, _addresses(packets, rows), bad)


def _begins(packets: _Packets, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where messages begin: packet and place of each.

    In a stream each is behind its length, unless the length came in a packet of its own; several may share a packet.
    """
    rows = np.arange(len(stream))
    datagrams = rows[~stream]
    begins = [(datagrams, np.zeros(len(datagrams), np.int32))]
    live = rows[stream]
    at = np.full(len(live), 2, np.int32)
    bare = ~_plausible(packets, live, at)
    begins.append((live[bare], np.zeros(int(bare.sum()), np.int32)))
    live, at = live[~bare], at[~bare]
    for _ in range(_MESSAGES):
        begins.append((live, at))
        at = at + packets.number(live, at - 2) + 2
        more = at + _SHORTEST <= packets.taken[live]
        live, at = live[more], at[more]
        if not len(live):
            break
    found, place = (np.concatenate([begin[part] for begin in begins]) for part in (0, 1))
    good = _plausible(packets, found, place)
    found, place = found[good], place[good]
    order = np.argsort(found, kind="stable")
    return found[order], place[order]


def _plausible(packets: _Packets, rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the header of a query, or of the answer to one, may be there: with one question, and no bit that is
    reserved."""
    flags = packets.number(rows, at + 2)
    fits = (packets.taken[rows] >= at + _SHORTEST) & (flags & 0x7840 == 0)
    found: np.ndarray = fits & (packets.number(rows, at + 4) == 1)
    return found


def _name_ends(packets: _Packets, rows: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Where the byte is that ends each name; -1 where it is not a name written out, or too long."""
    end = begin.copy()
    live = np.arange(len(rows))
    found = np.full(len(rows), -1, np.int32)
    for _ in range(_LABELS):
        size = packets.byte(rows[live], end[live])
        done = live[size == 0]
        found[done] = end[done]
        more = (size > 0) & (size < 64)
        live = live[more]
        end[live] += size[more].astype(np.int32) + 1
        live = live[(end[live] < PAYLOAD) & (end[live] - begin[live] < NAME_BYTES)]
        if not len(live):
            break
    return found


def _extended(packets: _Packets, rows: np.ndarray) -> np.ndarray:
    """The upper part of response codes above 15, which the record OPT has (RFC 6891): such an answer has no other
    records.
    """
    where, at = rows["packet"], rows["name_end"] + 5
    there = rows["is_answer"] & (at + 11 <= packets.taken[where]) & (rows["answers"] == 0)
    there &= packets.number(where, rows["begin"] + 8) == 0
    there &= packets.number(where, rows["begin"] + 10) != 0
    there &= (packets.byte(where, at) == 0) & (packets.number(where, at + 1) == _OPT)
    upper: np.ndarray = np.where(there, packets.byte(where, at + 5).astype(np.uint16) << 4, np.uint16(0))
    return upper


def _fill_hashes(packets: _Packets, rows: np.ndarray) -> None:
    """Of names, and of the first labels of those that are asked for; in lower case."""
    begin = rows["begin"] + _HEADER
    lengths = rows["name_end"] - begin
    width = -(-int(lengths.max(initial=0) + 1) // 8) * 8
    texts = packets.texts(rows["packet"], begin, width)
    lowered(texts)
    first = np.minimum(texts[:, 0] + 1, lengths)
    rows["name"] = hashed_bytes(texts, lengths)
    asked = np.flatnonzero(~rows["is_answer"])
    rows["label"][asked] = hashed_bytes(texts[asked], first[asked])


def lowered(texts: np.ndarray) -> None:
    """Makes letters of names lower case where they are; the length of a label is below the first letter's number."""
    texts[(texts >= 65) & (texts <= 90)] += 32


def _addresses(packets: _Packets, rows: np.ndarray) -> np.ndarray:
    """Those of all answers, a record of each a turn; in the order of the messages."""
    live = np.flatnonzero(rows["is_answer"] & (rows["answers"] > 0))
    at = rows["name_end"][live] + 5
    found = [np.zeros(0, ADDRESS)]
    for turn in range(_RECORDS):
        where = rows["packet"][live]
        at = _behind_names(packets, where, at)
        inside = (at >= 0) & (at + 10 <= packets.taken[where])
        live, where, at = live[inside], where[inside], at[inside]
        if not len(live):
            break
        size = packets.number(where, at + 8)
        found.append(_of_records(packets, live, where, at, size))
        at = at + 10 + size
        more = (rows["answers"][live] > turn + 1) & (at + 11 <= packets.taken[where])
        live, at = live[more], at[more]
    addresses = np.concatenate(found)
    return addresses[np.argsort(addresses["message"], kind="stable")]


def _behind_names(packets: _Packets, where: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Behind the name of each record, most often a pointer; -1 where it is not whole."""
    at = at.copy()
    found = np.full(len(at), -1, np.int32)
    live = np.arange(len(at))
    for _ in range(_LABELS):
        size = packets.byte(where[live], at[live])
        pointer, last = size >= 192, size == 0
        found[live[pointer]] = at[live[pointer]] + 2
        found[live[last]] = at[live[last]] + 1
        more = (size > 0) & (size < 64)
        live = live[more]
        at[live] += size[more].astype(np.int32) + 1
        live = live[at[live] < PAYLOAD]
        if not len(live):
            break
    return found


def _of_records(
    packets: _Packets, live: np.ndarray, where: np.ndarray, at: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Addresses among these records.

    :param live: the messages that they are of.
    """
    kind, group = packets.number(where, at), packets.number(where, at + 2) & 0x7FFF
    four, six = (kind == _A) & (size == 4), (kind == _AAAA) & (size == 16)
    hit = np.flatnonzero((four | six) & (group == _IN) & (at + 10 + size <= packets.taken[where]))
    where, at, four = where[hit], at[hit], four[hit]
    some = np.zeros(len(hit), ADDRESS)
    texts = packets.texts(where, at + 10, 16)
    mapped = texts[four, :4]
    texts[four, :10], texts[four, 10:12], texts[four, 12:] = 0, 255, mapped
    some["message"], some["type"], some["address"] = live[hit], kind[hit], texts.view("V16").reshape(-1)
    ttl = packets.number(where, at + 4).astype(np.int64) << 16
    some["ttl"] = ttl | packets.number(where, at + 6)
    return some


def texts_of(records: np.ndarray, messages: np.ndarray) -> list[str]:
    """The names that messages ask for: lower case, without the last dot; what is no printable ASCII is ``?``.

    :param records: the packet that each message is in; shape (n,).
    """
    begin, lengths = messages["begin"] + _HEADER, messages["name_end"] - messages["begin"] - _HEADER
    width = int(lengths.max(initial=0)) + 1
    packets = np.zeros((len(records), PAYLOAD + NAME_BYTES), np.uint8)
    packets[:, :PAYLOAD].view(f"V{PAYLOAD}")[:, 0] = records["payload"]
    raw = np.lib.stride_tricks.sliding_window_view(packets, width, axis=1)[np.arange(len(records)), begin]
    texts = _PRINTABLE[raw]
    live, at = np.arange(len(records)), np.zeros(len(records), np.int64)
    while len(live):
        texts[live, at] = _DOT
        at = at + raw[live, at] + 1
        more = at < lengths[live]
        live, at = live[more], at[more]
    whole = texts.tobytes().decode("ascii")
    begins = (np.arange(len(records)) * width).tolist()
    return [whole[at + 1 : at + size] or "." for at, size in zip(begins, lengths.tolist(), strict=True)]


_DOT: Final = ord(".")
#: What stands for each byte of a label.
_PRINTABLE: Final = np.array(
    [ord(chr(code).lower()) if 33 <= code < 127 and code not in b".\\" else ord("?") for code in range(256)],
    np.uint8,
)
