"""Tailrace's probes in this machine's kernel, with tables of the size that a test wants."""

from typing import Literal

import msgspec
import numpy as np

from engine.config import Config, DnsSection
from probes.attached import SHARED, AttachedProbes
from probes.conntrack.config import NatConfig
from probes.drops.config import DropsConfig
from probes.http.config import HttpConfig
from probes.listeners.config import ListenersConfig
from probes.registry import PROBES
from probes.selection import Selection
from probes.tcp.config import TcpConfig
from probes.udp.config import UdpConfig
from tests.slowness import SLOWNESS

Counters = Literal["auto", "sweep", "segment"]
Tls = Literal["auto", "off"]
Nat = Literal["auto", "kprobes", "netlink", "off"]


class Probes(AttachedProbes):
    """All probes, that of HTTP where it costs little; ``start`` and ``close`` are the test's to call.

    :param udp: off, unless the test is about datagrams.
    :param tls: off, nothing is compiled beside the test for the TLS libraries of this machine's processes.
    :param every: as by default, none is off.
    """

    def __init__(
        self,
        slots: int = 256,
        ring_bytes: int = 1 << 16,
        counters: Counters = "auto",
        nat: Nat = "auto",
        *,
        tls: Tls = "off",
        udp: UdpConfig = UdpConfig(enabled="off"),  # noqa: B008 - nothing changes it
        every: bool = False,
    ) -> None:
        alone = SLOWNESS > 1 or udp.enabled == "on"  # that of HTTP has most to compile
        http = HttpConfig(enabled="off" if alone else "auto", tls=tls)
        tcp, listeners = TcpConfig(slots, ring_bytes, counters), ListenersConfig(sockets=1024)
        config = Config(tcp=tcp, nat=NatConfig(nat), http=http, udp=udp, listeners=listeners)
        quiet = {"dns": DnsSection(enabled="off"), "drops": DropsConfig(enabled="off")}
        whole = Config(tcp=tcp, nat=NatConfig(nat), listeners=listeners)
        self.selection = Selection(whole if every else msgspec.structs.replace(config, **quiet), PROBES)
        super().__init__(self.selection)

    def events(self) -> np.ndarray:
        """Events of the shared ring since the last call, in order."""
        return self.rings[SHARED].read()
