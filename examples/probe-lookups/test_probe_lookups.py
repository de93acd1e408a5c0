"""The rows that events give. That the kernel makes them is seen with `tailrace run --stage lookups`, as root."""

import numpy as np
from tailrace_probe_lookups import PROBE, Lookups

EVENT = np.dtype([("pid", "<u4"), ("comm", "S16")])


def test_calls_are_counted_by_process():
    """In the order of the processes, over all that came in the second; the next one begins anew."""
    lookups = Lookups()
    lookups.take(np.array([(7, b"curl"), (4, b"ping"), (7, b"curl")], EVENT), 0)
    lookups.take(np.array([(7, b"curl")], EVENT), 0)
    rows = lookups.rows()
    assert rows["process.pid"].tolist() == [4, 7]
    assert rows["process.comm"].tolist() == [b"ping", b"curl"]
    assert rows["lookups"].tolist() == [1, 3]
    assert lookups.rows() == {}


def test_events_may_be_written_over():
    """The array belongs to Tailrace."""
    lookups, events = Lookups(), np.array([(7, b"curl")], EVENT)
    lookups.take(events, 0)
    events["pid"] = 0
    assert lookups.rows()["process.pid"].tolist() == [7]


def test_every_event_has_a_receiver():
    """The declaration says who learns from each."""
    names = {receiver.name for receiver in PROBE.receivers}
    assert {event.receiver for event in PROBE.events} == names
