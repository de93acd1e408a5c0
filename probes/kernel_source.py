"""Frames of this machine's kernel: the probes, and what drains them."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from model.frame_source import Origin, Send
from probes.conntrack.config import NatConfig
from probes.conntrack.feed import Conntrack
from probes.conntrack.hooks import KPROBES
from probes.kernel.event_types import EventTypes
from probes.kernel.namespaces import ChosenNamespaces, require_namespaces
from probes.limited import LimitedProbe
from probes.registry import PROBES
from probes.source import Source
from probes.tcp.config import TcpConfig
from probes.tcp.probe import TcpProbe


class ProbeConfig(Protocol):
    """What the probes need of the configuration."""

    @property
    def node_name(self) -> str: ...

    @property
    def namespaces(self) -> Sequence[str]: ...

    @property
    def tcp(self) -> TcpConfig: ...

    @property
    def nat(self) -> NatConfig: ...


class KernelSource:
    """Frames of this machine's kernel: the probe, and what drains it.

    :raises UsageError: if a network namespace is to be reported that does not exist.
    """

    recorded = False

    def __init__(self, config: ProbeConfig) -> None:
        require_namespaces(config.namespaces)
        self.origin = Origin(config.node_name, boot_id(), config.tcp.slots)
        tcp = config.tcp
        self._probe = TcpProbe(tcp.slots, tcp.ring_bytes, tcp.counters, config.nat.source)
        self._conntrack = self._see_rewrites(config)
        feeds = {"conntrack": self._conntrack} if self._conntrack else {}
        limited = LimitedProbe(self._probe, ChosenNamespaces(config.namespaces))
        self._source = Source(limited, self._pass_on, EventTypes(PROBES), feeds=feeds)

    def _see_rewrites(self, config: ProbeConfig) -> Conntrack | None:
        nat = config.nat
        if nat.source == "off":
            return None
        return Conntrack(nat.buffer_bytes, config.namespaces, required=nat.source == "netlink")

    async def start(self) -> None:
        """Attaches every hook and adopts open sockets.

        :raises ProbeError: if this kernel or machine does not give what is needed.
        """
        await asyncio.to_thread(self._probe.start)
        if self._conntrack:
            self._conntrack.listen = KPROBES not in {taken.hook for taken in self._probe.taken}
            self._conntrack.start()

    async def run(self, send: Send) -> None:
        """Runs until stop(), then sends the last events and the unfinished window."""
        self._send = send
        await self._source.run()

    def state(self) -> dict[str, Any]:
        """How windows are cut, and which hook serves each feature."""
        clock = {"offset_ns": self._source.clock.offset_ns, "steps": self._source.clock.steps}
        taken = {taken.feature.name: taken.hook.name if taken.hook else None for taken in self._probe.taken}
        return {"clock": clock, "capabilities": taken}

    def stop(self) -> None:
        """Makes run() end."""
        self._source.stop()

    def close(self) -> None:
        """Nothing is left in the kernel."""
        self._probe.close()
        if self._conntrack:
            self._conntrack.close()

    async def _pass_on(self, frame: bytes) -> None:
        await self._send(frame)


def boot_id() -> str:
    """Names this boot of the machine and this start of Tailrace: slots and generations begin anew with each."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}.{time.time_ns() // 10**6:x}"
