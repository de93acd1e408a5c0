"""Header blocks out of pieces of frames: whole ones, without padding, CONTINUATION or not. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.kernel.layout import copied, enums, rows_at, rows_where, structs

RECORD: Final = structs("http2")["http2_record"]
TYPES: Final = enums("http2")["http2_type"]
FLAGS: Final = enums("http2")["http2_flag"]
WAYS: Final = enums("http2")["http2_way"]
#: Bytes behind the last block, so that what looks at a few bytes at once stays within.
MARGIN: Final = 256
_HEADERS: Final = (TYPES["HTTP2_HEADERS"], TYPES["HTTP2_PUSH_PROMISE"], TYPES["HTTP2_CONTINUATION"])
#: Bytes ahead of a block: the priority, the stream that is promised.
_PRIORITY_BYTES: Final = 5
_PROMISE_BYTES: Final = 4
_TEXT_BYTES: Final = RECORD["text"].itemsize


def words_of(records: np.ndarray, kind: str) -> np.ndarray:
    """The texts of records as numbers; shape (n, words)."""
    words = np.dtype(kind)
    texts = np.ascontiguousarray(records["text"]).view(words)
    numbers: np.ndarray = np.reshape(texts, (len(records), _TEXT_BYTES // words.itemsize))
    return numbers


@dataclass(frozen=True)
class Blocks:
    """Header blocks that are whole, by direction, in the order in which they came.

    :param first: the record in which each begins; shape (n,).
    :param direction: of each.
    :param after_loss: whether something of its direction was lost between it and the block before.
    :param data: bytes of all, and ``MARGIN`` more; uint8.
    :param begins: of each in these.
    :param ends: likewise.
    :param digests: equal for equal blocks; uint64.
    """

    first: np.ndarray
    direction: np.ndarray
    after_loss: np.ndarray
    data: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    digests: np.ndarray

    def __len__(self) -> int:
        return len(self.begins)


@dataclass(frozen=True)
class _Cut:
    """Pieces of header blocks, cut where one begins.

    :param pieces: records that are such pieces; shape (p,).
    :param first: the piece in which each block begins; shape (n,).
    :param last: that in which it ends, as far as it has come.
    :param intact: whether its beginning is there, and nothing of it was lost.
    :param ended: whether its end is there.
    """

    pieces: np.ndarray
    first: np.ndarray
    last: np.ndarray
    intact: np.ndarray
    ended: np.ndarray


class BlockAssembly:
    """Keeps pieces of blocks whose end has not come.

    :param directions: that there can be.
    :param most: pieces that are kept; with more, all of them are given up.
    """

    def __init__(self, directions: int, most: int = 1 << 16) -> None:
        self._most = most
        #: Of which something was lost since their last block.
        self._broken = np.zeros(directions, np.bool_)
        self._mix = np.random.default_rng().integers(1, 1 << 63, 1024, np.uint64) | np.uint64(1)
        #: Pieces that wait, to be put ahead of the next ones.
        self.waiting = np.zeros(0, RECORD)

    def take(self, records: np.ndarray, direction: np.ndarray) -> Blocks:
        """The blocks that are whole now.

        :param records: those that waited and what came since; in order within each direction.
        :param direction: of each, ascending.
        """
        lost = np.cumsum((records["way"] & WAYS["HTTP2_LOST"]) > 0)
        cut = _cut(records, direction, lost)
        mine = direction[cut.pieces[cut.first]]
        following = np.append(mine[1:] == mine[:-1], False)[: len(mine)]
        waits = cut.intact & ~cut.ended & ~following
        whole = cut.intact & cut.ended
        after_loss = self._losses(direction, lost, cut, whole | waits)
        self._keep(records, direction, cut, waits)
        pieces = rows_at(records, cut.pieces[np.repeat(whole, cut.last - cut.first + 1)])
        lengths = (cut.last - cut.first + 1)[whole]
        begins = np.cumsum(lengths) - lengths
        data, starts, ends = _joined(pieces, begins, lengths)
        digests = self._digests(pieces, begins, lengths)
        first = cut.pieces[cut.first[whole]]
        return Blocks(first, mine[whole], after_loss[whole], data, starts, ends, digests)

    def _losses(self, direction: np.ndarray, lost: np.ndarray, cut: _Cut, intact: np.ndarray) -> np.ndarray:
        """For each block, whether something was lost ahead of it; remembers what was lost behind the last ones."""
        keys, at = np.unique(direction, return_index=True)
        before = np.where(at > 0, lost[at - 1], 0) if len(at) else at
        behind = lost[np.append(at[1:], len(direction)) - 1] if len(at) else at
        group = np.searchsorted(keys, direction[cut.pieces[cut.first]])
        opening = np.ones(len(group), np.bool_)
        opening[1:] = group[1:] != group[:-1]
        known = np.where(opening, before[group], np.roll(lost[cut.pieces[cut.last]], 1))
        after: np.ndarray = lost[cut.pieces[cut.first]] > known
        after |= np.where(opening, self._broken[keys[group]], np.roll(~intact, 1))
        closing = np.append(opening[1:], True)[: len(group)]
        self._broken[keys] |= behind > before
        ended = keys[group[closing]]
        self._broken[ended] = behind[group[closing]] > lost[cut.pieces[cut.last[closing]]]
        self._broken[ended] |= ~intact[closing]
        return after

    def _keep(self, records: np.ndarray, direction: np.ndarray, cut: _Cut, waits: np.ndarray) -> None:
        kept = np.zeros(len(records), np.bool_)
        kept[cut.pieces[np.repeat(waits, cut.last - cut.first + 1)]] = True
        if kept.sum() > self._most:
            self._broken[direction[kept]] = True
            kept[:] = False
        self.waiting = copied(rows_where(records, kept)) if kept.any() else np.zeros(0, RECORD)

    def _digests(self, pieces: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """A number for each block, equal for equal ones (and, but for chance of 2^-64, for no others)."""
        if not len(begins):
            return np.zeros(0, np.uint64)
        words = words_of(pieces, "<u8")
        place = np.arange(len(pieces)) - np.repeat(begins, lengths)
        head = pieces["length"].astype(np.uint64) << np.uint64(16) | pieces["type"].astype(
            np.uint64
        ) << np.uint64(8)
        mixed = (head | pieces["flags"]) * self._mix[place & 1023]
        for word in range(words.shape[1]):
            mixed = (mixed ^ mixed >> np.uint64(31) ^ words[:, word]) * self._mix[word]
        mixed = (mixed ^ mixed >> np.uint64(29)) * self._mix[place & 1023]
        digests: np.ndarray = np.add.reduceat(mixed, begins)
        return digests

    def forget(self, directions: np.ndarray) -> None:
        """These are others from now on."""
        self._broken[directions] = False


def _cut(records: np.ndarray, direction: np.ndarray, lost: np.ndarray) -> _Cut:
    pieces = np.flatnonzero(np.isin(records["type"], _HEADERS))
    way, flags, types = (records[name][pieces] for name in ("way", "flags", "type"))
    opens = ((way & WAYS["HTTP2_FIRST"]) > 0) & (types != TYPES["HTTP2_CONTINUATION"])
    ends = ((way & WAYS["HTTP2_LAST"]) > 0) & ((flags & FLAGS["HTTP2_END_HEADERS"]) > 0)
    begins = opens.copy()
    begins[:1] = True
    begins[1:] |= ends[:-1] | (direction[pieces[1:]] != direction[pieces[:-1]])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(pieces))[: len(first)] - 1
    intact = opens[first] & (lost[pieces[last]] == lost[pieces[first]])
    return _Cut(pieces, first, last, intact, ends[last])


def _joined(
    pieces: np.ndarray, begins: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bytes of blocks, and where each begins and ends in them.

    :param pieces: of all, one block after the other.
    :param begins: the first piece of each.
    :param lengths: pieces of each.
    """
    texts = words_of(pieces, "u1")
    sizes = pieces["length"].astype(np.int64)
    data = texts[np.arange(_TEXT_BYTES) < sizes[:, None]]
    stops = np.cumsum(sizes)
    starts = stops - sizes
    front, back = _around(pieces, data, starts)
    if back.any():
        data, starts, stops = _without_padding(pieces, data, starts, stops, front, back)
        front[back > 0] = 0
    last = begins + lengths - 1
    ends = stops[last]
    return np.append(data, np.zeros(MARGIN, np.uint8)), np.minimum(starts[begins] + front[begins], ends), ends


def _around(pieces: np.ndarray, data: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes ahead of the block in the first piece of each frame, and those of padding behind it."""
    flags, types = pieces["flags"], pieces["type"]
    front, back = np.zeros(len(pieces), np.int64), np.zeros(len(pieces), np.int64)
    opens = ((pieces["way"] & WAYS["HTTP2_FIRST"]) > 0) & (types != TYPES["HTTP2_CONTINUATION"])
    padded = opens & ((flags & FLAGS["HTTP2_PADDED"]) > 0) & (pieces["length"] > 0)
    promised = types == TYPES["HTTP2_PUSH_PROMISE"]
    prior = opens & ~promised & ((flags & FLAGS["HTTP2_PRIORITY"]) > 0)
    front += padded + _PRIORITY_BYTES * prior + _PROMISE_BYTES * (opens & promised)
    if padded.any():
        back[padded] = data[starts[padded]]
    return front, back


def _without_padding(
    pieces: np.ndarray,
    data: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    front: np.ndarray,
    back: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bytes without what is around blocks in padded frames, and where pieces begin and end in them."""
    frame = np.cumsum((pieces["way"] & WAYS["HTTP2_FIRST"]) > 0)
    closing = np.append(frame[1:] != frame[:-1], True)
    frame_stops = stops[np.flatnonzero(closing)][frame - frame[0]]
    odd = np.flatnonzero(back)
    change = np.zeros(len(data) + 1, np.int64)
    for begins, ends in (
        (starts[odd], np.minimum(starts[odd] + front[odd], frame_stops[odd])),
        (np.maximum(frame_stops[odd] - back[odd], starts[odd]), frame_stops[odd]),
    ):
        np.add.at(change, begins, 1)
        np.add.at(change, ends, -1)
    kept = np.cumsum(change[:-1]) <= 0
    places = np.concatenate(([0], np.cumsum(kept)))
    return data[kept], places[starts], places[stops]
