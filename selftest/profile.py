"""How much traffic the self-test makes."""

import os
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Profile:
    """Counts and sizes of one self-test.

    :param short: connections that live shorter than a millisecond, over all paths together.
    :param bulk_bytes: bytes of the one bulk connection over IPv4; IPv6 gets a sixteenth.
    :param lossy_bytes: bytes of the connection whose receiver drops segments: in 64 segments of 64 kB it drops one
        of five, so that none at all is lost once in a million runs.
    :param long_seconds: how long the long-lived connections live.
    :param message_interval_seconds: pause between the messages of a long-lived connection.
    :param long: long-lived connections per path.
    :param adopted: connections per path that are open before the start.
    :param failed: connects that fail at once, per kind and path.
    :param slow_failed: connects that take seconds to fail, per kind and path.
    :param few: connections of every other kind, per path.
    """

    name: str
    short: int
    bulk_bytes: int
    lossy_bytes: int
    long_seconds: float
    message_interval_seconds: float
    long: int
    adopted: int
    failed: int
    slow_failed: int
    few: int


FULL: Final = Profile("full", 2000, 1 << 30, 4 << 20, 8.0, 0.25, 4, 9, 20, 4, 5)
QUICK: Final = Profile("quick", 200, 16 << 20, 4 << 20, 1.5, 0.1, 2, 3, 4, 1, 2)
#: Deadlines are multiplied by it: for machines that are emulated.
SLOWNESS: Final = float(os.environ.get("SELFTEST_SLOWNESS", "1"))
PROFILES: Final = {profile.name: profile for profile in (FULL, QUICK)}
