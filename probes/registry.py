"""All probes of Tailrace, one line each."""

from typing import Final

from model.probe import Probe
from probes.conntrack.probe import CONNTRACK
from probes.process.probe import PROCESS
from probes.tcp.events import TCP

PROBES: Final[tuple[Probe, ...]] = (TCP, CONNTRACK, PROCESS)
