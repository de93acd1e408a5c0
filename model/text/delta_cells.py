"""What the console says about one socket, as text."""

from collections.abc import Mapping
from typing import Any

from model.kinds.delta import CloseReason
from model.rows import words

Row = Mapping[str, Any]


def process_text(row: Row) -> str:
    """``nginx/1234``; without an owner ``-``."""
    comm = words.printable(row["process.comm"])
    return f"{comm or '?'}/{row['process.pid']}" if comm or row["process.pid"] else "-"


def local_text(row: Row) -> str:
    """The socket's own end."""
    return words.endpoint_text(row["network.local.address"], row["network.local.port"])


def peer_text(row: Row) -> str:
    """The other end."""
    return words.endpoint_text(row["network.peer.address"], row["network.peer.port"])


def state_text(row: Row) -> str:
    """The error of a failed connect or an abnormal end, what closed the connection, or its TCP state."""
    reason = row["connection.close_reason"]
    if row["error.errno"] and (row["connection.failed"] or reason == CloseReason.ERROR):
        return words.error_name(row["error.errno"])
    if row["connection.failed"]:
        return "failed"
    if row["connection.closed"]:
        return words.CLOSE_REASONS.get(reason, str(reason)) if reason else "closed"
    state = row["connection.state"]
    return words.STATES.get(state, str(state))
