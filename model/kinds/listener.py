"""One row says how one listening TCP socket stood at the end of a second, and what its kernel dropped there in that
second. A row comes when the listener begins or ends, when one of its queues or their limit is not what the last row
said, and when it dropped something. For a minute after that, or after its accept queue was half full, there is a row
each second.

The accept queue has connections whose handshake has ended, and which the application has not taken yet. When it is
full (`listener.queue` is above `listener.limit`: the kernel takes one more), the kernel drops what would add to it:
the client sends its SYN again, after a second, and three, and seven, and at last gives up. On the client's side
that is a slow connect, or one that timed out, and nothing says why. `listener.limit` is the smaller one of what the
application gave to `listen()` and of `net.core.somaxconn`.

`listener.overflows` is what `sk_drops` of the socket grew by. Beside full accept queues it counts what the kernel
drops for want of memory, or because the queue of handshakes is full and SYN cookies are off.

{columns}
"""

from typing import Final

from model.column import Column
from model.kind import Kind, own_subject
from model.kinds.delta import DELTA
from model.kinds.listener_text import TEXT
from model.rows import values as row_values

#: What a listener has of sockets in common.
_SHARED: Final = (
    *("network.transport", "network.type", "network.local.address", "network.local.port", "netns.id"),
    *("process.pid", "process.comm", "cgroup.id", "cgroup.index", "entity.index"),
)

_COLUMNS: Final = (
    Column(
        "listener.id",
        "<u8",
        "the same in all rows of the socket, until Tailrace starts anew; several may share an address "
        "(SO_REUSEPORT). In rows 16 hexadecimal digits",
        values=row_values.hexadecimals,
        always=True,
    ),
    *(DELTA.column(name) for name in _SHARED),
    Column("user.id", "<u4", "owner: effective user", always=True),
    Column(
        "listener.queue",
        "<u4",
        "connections that wait for accept(), at the second's end: Recv-Q of `ss -ltn`",
        always=True,
    ),
    Column("listener.limit", "<u4", "of that queue: Send-Q of `ss -ltn`", always=True),
    Column("listener.syn_queue", "<u4", "handshakes that are under way, at the second's end"),
    Column("listener.accepted", "<u8", "handshakes that ended here", "connections", over="sum"),
    Column(
        "listener.overflows",
        "<u8",
        "SYNs, and last segments of handshakes, that the kernel dropped because the accept queue was full",
        "segments",
        over="sum",
    ),
    Column(
        "listener.adopted",
        "<u1",
        "1: it listened before Tailrace started",
        values=row_values.flags,
        over="most",
    ),
    Column("listener.ended", "<u1", "1 in its last row", values=row_values.flags, over="most"),
)

#: How one listening socket stands.
LISTENER: Final = Kind(
    "listener",
    "listeners",
    _COLUMNS,
    key=("listener.id",),
    lead=(
        *("network.local.address", "network.local.port", "listener.queue", "listener.limit"),
        *("listener.overflows", "listener.accepted"),
    ),
    subject=own_subject("listeners"),
    rank="listener.overflows",
    page=__doc__,
    text=TEXT,
    brief=("-network.t*", "-listener.id", "-user.*", "-cgroup.*"),
)
