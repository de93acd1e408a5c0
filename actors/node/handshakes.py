"""TLS handshakes on a node: what the kernel told of hellos, as a table that rows of sockets point to. Pure."""

from typing import Final

import numpy as np

from actors.node.cipher_suites import cipher_name
from model.arrays import Columns
from model.dictionary import LIMIT, Dictionary
from model.handshake import NO_HANDSHAKE, Handshake, TlsVisibility
from model.kinds.delta import NO_SLOT
from probes.kernel.layout import enums, joined, structs

EVENT: Final = structs("handshake")["hello_event"]
_FLAGS: Final = enums("handshake")["handshake_flag"]
#: Where an event begins to say what others may say alike.
_SAID: Final = int(EVENT.fields["version"][1]) if EVENT.fields else 0


class NodeHandshakes:
    """What is known of the TLS of sockets, by slot.

    :param slots: of the node's socket table.
    :param limit: different handshakes at once; at the limit those that no open socket has are given up.
    """

    def __init__(self, slots: int, limit: int = LIMIT) -> None:
        self.known: Dictionary[Handshake] = Dictionary(NO_HANDSHAKE, limit)
        self._generation = np.zeros(slots, np.uint32)
        self._number = np.zeros(slots, np.uint32)
        self._visibility = np.zeros(slots, np.uint8)
        self._new = np.zeros(0, EVENT)
        self._decrypted = np.zeros(0, np.uint64)  # keys of sockets

    def learn(self, events: np.ndarray) -> None:
        """Takes events in; rows have them from the next ``fill`` on."""
        self._new = joined(self._new, np.ascontiguousarray(events))

    def learn_decrypted(self, events: np.ndarray) -> None:
        """Takes in whose plain text was seen: ``struct decrypted_event``."""
        header = events["header"]
        keys = _keys(header["slot"], header["generation"])
        self._decrypted = np.concatenate((self._decrypted, keys))

    @property
    def slots(self) -> np.ndarray:
        """Of sockets of which something was learnt since the last ``fill``; shape (n,), uint32."""
        decrypted = (self._decrypted >> np.uint64(32)).astype(np.uint32)
        return np.concatenate((self._new["header"]["slot"], decrypted))

    def fill(self, columns: Columns, open_generations: np.ndarray) -> list[Handshake]:
        """Sets ``tls.index`` and ``tls.visibility`` of the rows of a second; returns the table of the former.

        :param open_generations: of the open socket of each slot; shape (slots,).
        """
        if self.known.full:
            self.known.release(self._number[(self._generation == open_generations) & (self._number != 0)])
        rows, generations = columns["socket.slot"], columns["socket.generation"]
        slots = np.where(rows != NO_SLOT, rows, 0)
        mine = (rows != NO_SLOT) & (self._generation[slots] == generations)
        number = np.where(mine, self._number[slots], 0)
        visibility = np.where(mine, self._visibility[slots], 0).astype(np.uint8)
        if len(self._new) or len(self._decrypted):
            keys, numbers, visible = self._learnt()
            wanted = _keys(rows, generations)
            places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found = np.flatnonzero(keys[places] == wanted)
            for column, known in ((number, numbers), (visibility, visible)):
                column[found] = np.maximum(column[found], known[places[found]])
            self._keep(keys, numbers, visible)  # now: a socket of before may have its last row
        (columns["tls.index"],), used = self.known.used(number)
        columns["tls.visibility"] = visibility
        return [self.known.values[id_] for id_ in used]

    def _learnt(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What new events say, by socket, ascending: key, number and visibility."""
        events, self._new = self._new, np.zeros(0, EVENT)
        plain, self._decrypted = self._decrypted, np.zeros(0, np.uint64)
        header = events["header"]
        sockets = np.concatenate((_keys(header["slot"], header["generation"]), plain))
        keys, place = np.unique(sockets, return_inverse=True)
        numbers, visible = (
            np.zeros(len(keys), np.uint32),
            np.full(len(keys), TlsVisibility.ENCRYPTED, np.uint8),
        )
        np.maximum.at(numbers, place[: len(events)], self._numbers(events))
        visible[place[len(events) :]] = TlsVisibility.DECRYPTED
        return keys, numbers, visible

    def _keep(self, keys: np.ndarray, numbers: np.ndarray, visible: np.ndarray) -> None:
        """For the seconds that follow."""
        slots, generations = (keys >> np.uint64(32)).astype(np.uint32), keys.astype(np.uint32)
        before = self._generation[slots] == generations
        np.maximum(numbers, self._number[slots], out=numbers, where=before)
        np.maximum(visible, self._visibility[slots], out=visible, where=before)
        # of several sockets of one slot the last one stays
        self._generation[slots] = generations
        self._number[slots] = numbers
        self._visibility[slots] = visible

    def _numbers(self, events: np.ndarray) -> np.ndarray:
        """The number of each event's handshake; those that say the same are read once."""
        bare = events.view(np.uint8).reshape(len(events), EVENT.itemsize)[:, _SAID:]
        said = np.ascontiguousarray(bare).view(f"V{EVENT.itemsize - _SAID}").reshape(-1)
        _, first, place = np.unique(said, return_index=True, return_inverse=True)
        numbers: np.ndarray = self.known.ids(map(handshake_of, events[first]))[place]
        return numbers


def _keys(slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
    keys: np.ndarray = slots.astype(np.uint64) << np.uint64(32) | generations
    return keys


def handshake_of(event: np.void) -> Handshake:
    """What one event says.

    :param event: ``struct hello_event``.
    """
    flags = int(event["flags"])
    name = _text(event["name"][: event["name_length"]]) + ("…" if flags & _FLAGS["HANDSHAKE_CUT"] else "")
    chosen = _text(event["chosen"][: event["chosen_length"]])
    offered = ",".join(_protocols(event["offered"].tobytes()[: event["offered_length"]]))
    if not flags & _FLAGS["HANDSHAKE_ANSWERED"]:
        return Handshake(server_name=name, offered=offered)
    return Handshake(
        _version(int(event["version"])), cipher_name(int(event["cipher"])), name, chosen, offered
    )


def _version(number: int) -> str:
    """``1.3``; of SSL ``3``."""
    return f"1.{number - 0x0301}" if number > 0x0300 else "3"


def _text(raw: bytes) -> str:
    return "".join(chr(byte) if 0x20 < byte < 0x7F else "?" for byte in raw)


def _protocols(raw: bytes) -> list[str]:
    """Names behind their lengths; without a last one that was cut, and those that clients make up (RFC 8701)."""
    names = []
    while raw and len(raw) > raw[0]:
        name, raw = raw[1 : raw[0] + 1], raw[raw[0] + 1 :]
        if name.isascii() and name.decode("ascii").isprintable():
            names.append(name.decode("ascii"))
    return names
