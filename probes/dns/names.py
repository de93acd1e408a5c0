"""Names that were asked for: which are kept apart, under which hash each is told, and their texts as events."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from probes.dns.hashes import hashed_bytes
from probes.dns.messages import Messages, texts_of
from probes.kernel.layout import enums, structs

EVENT: Final = structs("dns")["dns_name_event"]
OTHER: Final = enums("dns")["dns_name"]["NAME_OTHER"]
_KIND: Final = enums("dns")["dns_event"]["KIND_DNS_NAME"]
_TEXT: Final = EVENT["text"].itemsize
#: Seconds after which a name that is asked for again is told again.
TOLD_AGAIN_S: Final = 300
#: Seconds after which a name that nobody asked for makes room, and how often room is looked for.
UNUSED_S, _ROOM_EVERY_S = 300, 10
#: New names of one second whose text is looked at: each takes some microseconds.
NEW_NAMES: Final = 8192
#: A name that is known: its hash, that of what it is told as, that of its first label, when it was last asked for and
#: when it was told.
_KNOWN: Final = np.dtype(
    [("hash", "<u8"), ("told_as", "<u8"), ("label", "<u8"), ("used_s", "<u4"), ("told_s", "<u4")]
)


class Found(NamedTuple):
    """What is known of names; shape (n,) each.

    :param told_as: the hash under which each is told, ``OTHER`` for those that are not kept apart; uint64.
    :param label: the hash of its first label, 0 if that is not known; uint64.
    """

    told_as: np.ndarray
    label: np.ndarray


class NameTable:
    """The names that are kept apart.

    :param most: how many; of more, those that were not asked for of late make room, and what is left over is
        ``other``.
    :param fold: domains, each ``*.`` and the rest, whose names are told as that.
    """

    def __init__(self, most: int, fold: Sequence[str] = ()) -> None:
        self._most = most
        self._fold = [(pattern[1:].lower(), pattern.lower()) for pattern in fold]
        self._known = np.zeros(0, _KNOWN)
        self._texts: dict[int, str] = {}  # by the hash that they are told as
        self._new_left = NEW_NAMES
        self._looked_s = 0
        self._refused = np.zeros(0, np.uint64)  # there was no room; the latest of them
        self._forgotten = [np.zeros(0, np.uint64)]

    def learn(self, records: np.ndarray, messages: Messages, now_s: int) -> None:
        """Takes in names of questions.

        :param now_s: of a clock that only grows.
        """
        rows = messages.rows
        asked = np.flatnonzero(~rows["is_answer"])
        hashes, first = np.unique(rows["name"][asked], return_index=True)
        places, there = self._find(hashes)
        self._known["used_s"][places[there]] = now_s
        new = np.flatnonzero(~there)
        if not len(new):
            return
        room = min(self._room(now_s), len(new))
        self._refused = np.concatenate((self._refused, hashes[new[room:]]))[-self._most :]
        now = min(room, self._new_left)
        self._forgotten.append(hashes[new[now:room]])
        self._new_left -= now
        self._add(records, rows, hashes[new[:now]], asked[first[new[:now]]], now_s)

    def _find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The place of each, and whether it is there."""
        places = np.searchsorted(self._known["hash"], hashes)
        there = places < len(self._known)
        there[there] = self._known["hash"][places[there]] == hashes[there]
        return places, there

    def _room(self, now_s: int) -> int:
        """For how many more there is room; those that nobody asks for any more make some."""
        if len(self._known) >= self._most and now_s - self._looked_s >= _ROOM_EVERY_S:
            self._looked_s = now_s
            unused = self._known["used_s"] + UNUSED_S <= now_s
            if not unused.any():
                return 0
            self._forgotten += [self._known["hash"][unused], self._refused]
            self._refused = self._refused[:0]
            self._known = self._known[~unused]
            used = set(self._known["told_as"].tolist())
            self._texts = {told_as: name for told_as, name in self._texts.items() if told_as in used}
        return self._most - len(self._known)

    def forgotten(self, now_s: int) -> np.ndarray:
        """Hashes of names whose texts are wanted when they are asked for again: they were given up, or there was no
        room for them. Called once a second.
        """
        self._new_left = NEW_NAMES
        if len(self._refused):
            self._room(now_s)
        found = np.concatenate([np.zeros(0, np.uint64), *self._forgotten])
        self._forgotten = []
        return found

    def _add(
        self, records: np.ndarray, rows: np.ndarray, hashes: np.ndarray, places: np.ndarray, now_s: int
    ) -> None:
        added = np.zeros(len(hashes), _KNOWN)
        added["hash"], added["used_s"], added["label"] = hashes, now_s, rows["label"][places]
        added["told_as"] = hashes
        names = texts_of(records[rows["packet"][places]], rows[places])
        if self._fold:
            self._add_folded(added, names, now_s)
        else:
            self._texts.update(zip(hashes.tolist(), names, strict=True))
        known = np.concatenate((self._known, added))
        self._known = known[np.argsort(known["hash"], kind="stable")]

    def _add_folded(self, added: np.ndarray, names: Sequence[str], now_s: int) -> None:
        for place, name in enumerate(names):
            folded = self._folded(name)
            told_as = int(added["hash"][place]) if folded is None else _hash_of(folded)
            if folded is not None and told_as in self._texts:
                added["told_s"][place] = max(now_s, 1)
            self._texts[told_as] = name if folded is None else folded
            added["told_as"][place] = told_as

    def _folded(self, name: str) -> str | None:
        return next((pattern for end, pattern in self._fold if name.endswith(end)), None)

    def find(self, hashes: np.ndarray, now_s: int | None = None) -> Found:
        """What is known of these names.

        :param now_s: they were asked for in this second; None: that is known already.
        """
        places, there = self._find(hashes)
        places = places[there]
        told_as, label = np.full(len(hashes), OTHER, np.uint64), np.zeros(len(hashes), np.uint64)
        told_as[there], label[there] = self._known["told_as"][places], self._known["label"][places]
        if now_s is not None:
            self._known["used_s"][places] = now_s
        return Found(told_as, label)

    def events(self, hashes: np.ndarray, now_s: int, at_ns: int) -> np.ndarray:
        """The texts of these names as ``EVENT``, as far as they were not told of late.

        :param hashes: as in questions, each once.
        """
        places, there = self._find(hashes)
        places = places[there]
        told = self._known["told_s"][places]
        due = places[(told == 0) | (told + TOLD_AGAIN_S <= now_s)]
        self._known["told_s"][due] = max(now_s, 1)
        parts = [
            (told_as, part, name)
            for told_as in np.unique(self._known["told_as"][due]).tolist()
            for name in (self._texts[told_as],)
            for part in range(-(-len(name) // _TEXT))
        ]
        events = np.zeros(len(parts), EVENT)
        events["header"]["kind"], events["header"]["at_ns"] = _KIND, at_ns
        events["header"]["slot"] = 0xFFFFFFFF
        for place, (told_as, part, name) in enumerate(parts):
            piece = name[part * _TEXT : (part + 1) * _TEXT]
            event = events[place]
            event["name"], event["part"], event["parts"] = told_as, part, -(-len(name) // _TEXT)
            event["length"], event["text"] = len(piece), piece.encode("ascii")
        return events


def _hash_of(name: str) -> int:
    """Of a text that is no name of a question."""
    raw = name.encode("ascii", "replace")[:255]
    texts = np.frombuffer(raw.ljust(256, b"\0"), np.uint8).reshape(1, -1).copy()
    return int(hashed_bytes(texts, np.array([len(raw)]))[0])
