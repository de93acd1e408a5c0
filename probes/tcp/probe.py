"""The TCP probe: what it asks of the kernel to see every socket's life, owner and counters."""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe

STATES: Final = Feature(
    "socket states",
    "opens, closes, failed connects and their owners",
    (
        Hook(
            "state_changed",
            "inet_sock_set_state",
            others=(Hook("state_changed_within", "inet_sock_set_state"),),
        ),
    ),
)
DESTROYED: Final = Feature(
    "socket destruction",
    "heals an end whose state change was missed",
    (Hook("destroyed", "tcp_destroy_sock"),),
    required=False,
    loss="a missed close holds its slot until the kernel uses the socket's memory again",
)
ERRORS: Final = Feature(
    "errors of connects",
    "why a connect failed that the application gave up after an ICMP error",
    (Hook("error_reported", "inet_sk_error_report"),),
    required=False,
    loss="such connects are reported as given up (ECANCELED)",
)
READS: Final = Feature(
    "owner by first read",
    "the process that took an accepted connection",
    (Hook("used", "tcp_rcv_space_adjust"),),
    required=False,
    loss="accepted sockets keep the listener's owner until they are closed",
)
WRITES: Final = Feature(
    "owner by first write",
    "the same where the server speaks first",
    (Hook("used", "tcp_sendmsg_locked"), Hook("sent", "sock_send_length")),
    required=False,
    loss="accepted sockets that are only written to keep the listener's owner until they are closed",
)
#: Costs every read and write of every socket something: attached while there are connections of MPTCP.
MESSAGES: Final = Hook(
    "message_passed",
    "sock_recv_length",
    needs="mptcp",
    others=(Hook("message_passed", "sock_send_length", needs="mptcp"),),
)
CONNECTIONS: Final = Feature(
    "owner of MPTCP connections",
    "the process that took an accepted MPTCP connection, by its first read or write",
    (
        Hook(
            "connection_used",
            "mptcp_recvmsg",
            "kprobe",
            needs="mptcp",
            others=(Hook("connection_used", "mptcp_sendmsg", "kprobe", needs="mptcp"),),
        ),
        MESSAGES,
    ),
    required=False,
    loss="subflows of accepted MPTCP connections keep the listener's owner until they are closed",
)
ACCEPTS: Final = Feature(
    "listener by its wake-up",
    "which of several listeners on one port the kernel chose",
    (Hook("accept_ready", "sk_data_ready"),),
    required=False,
    loss="of listeners that share an address (SO_REUSEPORT) one is named until the connection is used",
)
EXITS: Final = Feature(
    "exits of listeners' owners",
    "who holds a listening socket when the process that opened it is gone",
    (Hook("exited", "sched_process_exit"),),
    required=False,
    loss="a connection that nobody has used may be of a process that is gone",
)
SWEEP: Final = Hook("sweep", kind="on_request", way="sweep")
COUNTERS: Final = Feature(
    "counters",
    "bytes, segments, retransmits, RTT of open sockets",
    (SWEEP, Hook("segment_received", "tcp_probe", way="segment")),
    switch="tcp.counters",
)
HEALING: Final = Feature(
    "handshake healing",
    "finds by its state a socket whose handshake's end was missed",
    (Hook("heal", kind="on_request"),),
    required=False,
    loss="such a socket has no connect latency until it is closed",
)
ADOPTION: Final = Feature(
    "adoption",
    "sockets that were open before the start",
    (Hook("bpf_iter__task_file", kind="iterator", needs="btf"),),
    required=False,
    loss="sockets that were open before the start are not reported",
)
LEFTOVERS: Final = Feature(
    "adoption of orphans",
    "sockets of before the start that no process holds",
    (Hook("bpf_iter__tcp", kind="iterator", needs="btf"),),
    required=False,
    loss="orphans and connections waiting to be accepted at the start are not reported",
)
TCP: Final = Probe(
    "tcp",
    sources=(
        "tcp/events.h",
        "tcp/maps.h",
        "tcp/counters.h",
        "tcp/slots.h",
        "tcp/mptcp.h",
        "tcp/listeners.h",
        "tcp/life.h",
        "tcp/sweep.c",
        "tcp/hooks.c",
        "tcp/adopt.c",
    ),
    maps=("cells", "descriptions", "free_slots", "settings", "tallies"),
    features=(
        STATES,
        DESTROYED,
        ERRORS,
        READS,
        WRITES,
        CONNECTIONS,
        ACCEPTS,
        EXITS,
        COUNTERS,
        HEALING,
        ADOPTION,
        LEFTOVERS,
    ),
    events=(
        EventType("KIND_CLOSE", "socket_event", "sockets", namespace="socket.netns"),
        EventType("KIND_FAIL", "socket_event", "sockets", namespace="socket.netns"),
    ),
    sizes=(("SLOTS", "tcp.slots"),),
    switch=None,
    purpose="TCP sockets: their lives, owners and counters",
)
