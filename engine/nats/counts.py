"""What a log on NATS counts, as figures with their meanings, for metrics and tests."""

from typing import NamedTuple

from engine.nats.log import NatsLog


class Count(NamedTuple):
    """A figure. ``total``: it counts from the start on and never falls; else it says how things are now."""

    value: float
    meaning: str
    total: bool = True


def log_counts(log: NatsLog) -> dict[str, Count]:
    """Figures of whoever writes to a log, by name."""
    link, sends = log.link, log.sends
    return {
        "nats.connected": Count(link.up.is_set(), "whether there is a connection to the server", total=False),
        "nats.reconnects": Count(link.reconnects, "connections that were lost and made again"),
        "nats.in_flight": Count(sends.in_flight, "messages sent and not yet acknowledged", total=False),
        "nats.resends": Count(sends.resends, "messages sent again for want of an acknowledgement"),
        "nats.repeats": Count(
            sends.repeats, "messages sent again as a server that came back may have lost them"
        ),
        "nats.waits": Count(sends.waits, "messages that found their partition full"),
        "nats.waiting": Count(
            sends.waiting, "messages that wait now for room in their partition", total=False
        ),
        "nats.streams_replaced": Count(log.streams_replaced, "streams of partitions that were gone"),
    }
