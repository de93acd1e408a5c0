"""Our probes as ``tailrace run`` attaches them by default."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import msgspec

from engine.config import Config
from engine.plugins.probes import select
from probes.attached import SHARED, AttachedProbes
from probes.selection import Selection


def default_selection(counters: Literal["auto", "sweep", "segment"] = "auto") -> Selection:
    """All probes, with the slots and the ring of the default configuration."""
    config = Config()
    tcp = msgspec.structs.replace(config.tcp, counters=counters)
    return select(msgspec.structs.replace(config, tcp=tcp))


@contextlib.contextmanager
def attached_probes(counters: Literal["auto", "sweep", "segment"]) -> Iterator[AttachedProbes]:
    """They are attached while the block runs."""
    probes = AttachedProbes(default_selection(counters))
    probes.start()
    try:
        yield probes
    finally:
        probes.close()


def drain(probes: AttachedProbes) -> None:
    """Empties the ring."""
    probes.rings[SHARED].read()
