"""Clocks: whether this machine's is kept in step, and how far those of nodes are from each other."""

import ctypes
import os
import statistics
import struct
from collections.abc import Sequence
from typing import Final

from engine.nats.heartbeats import StoredHeartbeat
from model.rows.words import printable
from model.text.units import duration_text
from probes.checks.check import Check

#: A clock that is further off puts what belongs together into other seconds.
FAR_NS: Final = 200_000_000
#: struct timex up to its status, on 64-bit machines (kernel: include/uapi/linux/timex.h).
_TIMEX: Final = struct.Struct("=I4xqqqqi")
_TIMEX_BYTES: Final = 256
_UNSYNCHRONIZED: Final = 0x0040  # STA_UNSYNC
_NTP: Final = "keep the clock in step: apt install chrony, or systemctl enable --now systemd-timesyncd"


def check_own_clock(status: bytes | OSError | None = None) -> Check:
    """What the kernel knows of it (adjtimex(2), which changes nothing here).

    :param status: what adjtimex gave; None: asked now.
    """
    found = _adjtimex() if status is None else status
    if isinstance(found, OSError):
        return Check("this clock", "not needed", f"not asked ({found.strerror})")
    _, _, _, error_us, _, state = _TIMEX.unpack_from(found)
    if not state & _UNSYNCHRONIZED:
        return Check("this clock", "ok", f"in step, to about {duration_text(error_us * 1e3)}")
    cost = "seconds of several machines, and times in other tools, drift apart"
    return Check("this clock", "degraded", "nothing keeps it in step (adjtimex: unsynchronized)", cost, _NTP)


def _adjtimex() -> bytes | OSError:
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        return OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return buffer.raw


def check_clocks(nodes: Sequence[StoredHeartbeat]) -> list[Check]:
    """Those of nodes that report: their offset from the middle one; the way of a message is in it.

    :param nodes: that report now.
    """
    if len(nodes) < 2:
        return []
    middle = statistics.median_low(node.clock_difference_ns for node in nodes)
    offsets = {node.heartbeat.node: middle - node.clock_difference_ns for node in nodes}
    far = {node: offset for node, offset in offsets.items() if abs(offset) > FAR_NS}
    most = max(map(abs, offsets.values()))
    together = len(nodes) - len(far)
    within = f"{together} of {len(nodes)} are within {duration_text(FAR_NS)}"
    found = f"{within}; the furthest is {duration_text(most)} off"
    return [Check("clocks of nodes", "ok", found), *(_check_far(*each) for each in far.items())]


def _check_far(node: str, offset_ns: int) -> Check:
    name = printable(node)
    found = f"{duration_text(abs(offset_ns))} {'ahead of' if offset_ns > 0 else 'behind'} the others"
    cost = "its rows are in other seconds than those of the other end"
    return Check(f"clock of {name}", "degraded", found, cost, f"on {name}: {_NTP}")
