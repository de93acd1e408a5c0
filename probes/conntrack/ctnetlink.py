"""Conntrack entries as ctnetlink messages, read whole columns at a time. Pure: bytes in, arrays out.

Messages of one layout (the same attributes, each as long) are decoded together by fixed offsets, which one of them
is walked for (``probes.conntrack.ctnetlink_layout``). Source of the format:
include/uapi/linux/netfilter/nfnetlink_conntrack.h.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.transport import Transport
from probes.conntrack.ctnetlink_layout import MessageLayout, read_layout
from probes.kernel.layout import enums, rows_where, structs

#: nlmsg_type: the subsystem NFNL_SUBSYS_CTNETLINK, then IPCTNL_MSG_CT_NEW or IPCTNL_MSG_CT_DELETE.
MSG_NEW: Final = 0x100
MSG_DELETE: Final = 0x102
#: Layouts that are remembered; a kernel makes a dozen.
LAYOUTS: Final = 64

_EVENT: Final = structs("conntrack")["nat_event"]
_KIND: Final = enums("conntrack")["conntrack_event"]
_HEADER_BYTES: Final = 20


def _offset(member: str) -> int:
    assert _EVENT.fields
    return _EVENT.fields[member][1]


_ORIGINAL: Final = _offset("original")
_REPLY: Final = _offset("reply")
#: Where a value of the original and its counterpart in a plain reply begin, in units of 2 bytes, and its length.
_TURNED: Final = tuple(
    ((_ORIGINAL + one) // 2, (_REPLY + other) // 2, count // 2)
    for one, other, count in ((0, 16, 16), (16, 0, 16), (32, 34, 2), (34, 32, 2))
)


@dataclass(frozen=True)
class Entries:
    """Conntrack entries that rewrite TCP or UDP, in the order of their messages.

    :param events: ``struct nat_event`` without time and namespace; shape (n,).
    :param rows: which message each came in; shape (n,).
    :param ids: the kernel's number of each entry, 0 for none; shape (n,), uint32.
    :param unreadable: messages that are no conntrack entry, or not a whole one.
    """

    events: np.ndarray
    rows: np.ndarray
    ids: np.ndarray
    unreadable: int


class Reader:
    """Reads messages and remembers their layouts.

    :param udp: whether entries of UDP are wanted.
    """

    def __init__(self, *, udp: bool = True) -> None:
        self._followed = (Transport.TCP, Transport.UDP) if udp else (Transport.TCP,)
        self._layouts: dict[int, list[MessageLayout]] = {}

    def read(self, messages: np.ndarray, lengths: np.ndarray) -> Entries:
        """The entries in messages of ctnetlink. Never raises.

        :param messages: one message a row; shape (n, width), uint8, contiguous, width a multiple of 4.
        :param lengths: bytes of each; shape (n,).
        """
        words = messages.view("<u4")
        kinds = words[:, 1] & 0xFFFF
        whole = (lengths >= _HEADER_BYTES) & (lengths <= messages.shape[1]) & (words[:, 0] == lengths)
        whole &= (kinds == MSG_NEW) | (kinds == MSG_DELETE)
        events, ids = np.zeros(len(messages), _EVENT), np.zeros(len(messages), np.uint32)
        unreadable = int(np.count_nonzero(~whole))
        for length in np.unique(lengths[whole]).tolist():
            for index, layout in self._alike(words, np.flatnonzero(whole & (lengths == length)), length):
                if layout is None:
                    unreadable += 1
                elif layout.has_ports:
                    alike = messages if len(index) == len(messages) else messages[index]
                    _decode(alike, layout, events, ids, index)
        wanted = np.isin(events["protocol"], self._followed) & _rewrites(events)
        entries = rows_where(events, wanted)
        rows = np.flatnonzero(wanted)
        deleted = kinds[rows] == MSG_DELETE
        entries["header"]["kind"] = np.where(deleted, _KIND["KIND_NAT_DELETED"], _KIND["KIND_NAT_NEW"])
        return Entries(entries, rows, ids[rows], unreadable)

    def _alike(
        self, words: np.ndarray, left: np.ndarray, length: int
    ) -> Iterator[tuple[np.ndarray, MessageLayout | None]]:
        """Messages of one length by their layout; None for one that has none."""
        for layout in tuple(self._layouts.get(length, ())):
            alike = layout.fits(words, left)
            if alike.any():
                yield left[alike], layout
                left = left[~alike]
        while len(left):
            first, left = left[:1], left[1:]
            try:
                layout = read_layout(words[first[0]].tobytes()[:length])
            except ValueError:
                yield first, None
                continue
            self._remember(length, layout)
            alike = layout.fits(words, left)
            yield np.concatenate((first, left[alike])), layout
            left = left[~alike]

    def _remember(self, length: int, layout: MessageLayout) -> None:
        if sum(map(len, self._layouts.values())) >= LAYOUTS:
            self._layouts.clear()
        self._layouts.setdefault(length, []).append(layout)


def _decode(
    messages: np.ndarray, layout: MessageLayout, events: np.ndarray, ids: np.ndarray, index: np.ndarray
) -> None:
    """Puts messages of one layout into ``events`` and ``ids`` at ``index``."""
    shorts = messages.view(">u2")
    plain = events.view(np.uint8).reshape(len(events), _EVENT.itemsize)
    whole = len(plain) == len(messages)
    decoded = plain if whole else np.zeros((len(messages), _EVENT.itemsize), np.uint8)
    for at, way in ((_ORIGINAL, layout.original), (_REPLY, layout.reply)):
        _address(decoded[:, at : at + 16], messages, way.source, layout.family)
        _address(decoded[:, at + 16 : at + 32], messages, way.destination, layout.family)
        ports = decoded[:, at + 32 : at + 36].view("<u2")
        ports[:, 0], ports[:, 1] = shorts[:, way.source_port // 2], shorts[:, way.destination_port // 2]
    rows = decoded.view(_EVENT)[:, 0]
    rows["family"] = layout.family
    rows["protocol"] = messages[:, layout.original.protocol]
    if layout.zone:
        rows["zone"] = shorts[:, layout.zone // 2]
    if layout.id:
        ids[index] = messages.view(">u4")[:, layout.id // 4]
    if not whole:
        plain[index] = decoded


def _address(target: np.ndarray, messages: np.ndarray, begin: int, family: int) -> None:
    if family == 6:
        target[:] = messages[:, begin : begin + 16]
    else:
        target[:, 10:12] = 0xFF
        target[:, 12:] = messages[:, begin : begin + 4]


def _rewrites(events: np.ndarray) -> np.ndarray:
    """Whether the reply is not just the original the other way round."""
    plain = events.view(np.uint8).reshape(len(events), _EVENT.itemsize)
    shorts = plain.view("<u2")
    differs: np.ndarray = np.zeros(len(events), np.bool_)
    for one, other, count in _TURNED:
        differs |= (shorts[:, one : one + count] != shorts[:, other : other + count]).any(axis=1)
    return differs
