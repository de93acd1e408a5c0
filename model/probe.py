"""What a probe declares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EventType:
    """One kind of event that the kernel side makes.

    :param kind: its enumerator in the probe's header; no other event has its value.
    :param struct: of the same header; it begins with ``struct event_header``.
    :param receiver: the name of who learns from it; all events of one receiver have the same struct.
    :param urgent: it says something of what is in the next snapshot, and does not wait for the window of its time.
    :param private: fields that no recording keeps.
    """

    kind: str
    struct: str
    receiver: str
    urgent: bool = False
    private: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """Something that sees the kernel.

    :param events: what its BPF programs tell.
    """

    name: str
    events: tuple[EventType, ...]
