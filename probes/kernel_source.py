"""Frames of this machine's kernel: the probes, and what drains them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.frame_source import Origin, Send
from probes.attached import AttachedProbes
from probes.checks.rewrites import warn_of_unseen
from probes.conntrack.feed import Conntrack
from probes.conntrack.probe import CONNTRACK, CTNETLINK, KPROBES, TIMED, TIMES
from probes.conntrack.times import EntryTimes
from probes.dns.feed import DnsFeed
from probes.dns.probe import DNS
from probes.drops.feed import DropFeed
from probes.drops.probe import DROPS
from probes.envoy.probe import ENVOY
from probes.envoy.programs import EnvoyFeed
from probes.handshake.counts import HandshakeCounts, HandshakeTallies
from probes.handshake.probe import HANDSHAKE
from probes.http.feed import RequestFeed
from probes.http.probe import HTTP
from probes.http2.decoder import FrameDecoder
from probes.http2.feed import Http2Feed
from probes.http2.probe import HTTP2
from probes.kernel.namespaces import ChosenNamespaces
from probes.limited import LimitedProbes
from probes.listeners.feed import ListenerFeed
from probes.listeners.probe import LISTENERS
from probes.quic.feed import QuicFeed
from probes.quic.probe import QUIC
from probes.selection import Selection
from probes.source import Feed, Source
from probes.tls.libraries import TlsFeed
from probes.tls.probe import TLS
from probes.udp.feed import UdpFeed
from probes.udp.probe import UDP


class KernelSource:
    """The probes that the configuration wants, and what drains them."""

    recorded = False

    def __init__(self, selection: Selection) -> None:
        config, nat = selection.config, selection.config.nat
        udp_slots = config.udp.slots if UDP in selection.wanted else 0
        self.origin = Origin(config.node_name, boot_id(), config.tcp.slots + udp_slots, udp_slots)
        self._probes = AttachedProbes(selection)
        self._conntrack: Conntrack | None = None
        if CONNTRACK in selection.wanted:
            required = nat.source == CTNETLINK.way
            followed = UDP in selection.wanted
            self._conntrack = Conntrack(nat.buffer_bytes, config.namespaces, required=required, udp=followed)
        self._requests: RequestFeed | None = None
        if HTTP in selection.wanted:
            self._requests = RequestFeed(ChosenNamespaces(config.namespaces))
        self._http2: Http2Feed | None = None
        if HTTP2 in selection.wanted:
            decoder = FrameDecoder(config.http.http2, config.http.paths, hosts=config.http.with_hosts)
            self._http2 = Http2Feed(decoder, config.http.cells, ChosenNamespaces(config.namespaces))
        feeds: dict[str, Feed] = {"conntrack": self._conntrack} if self._conntrack else {}
        if self._requests:
            feeds["http"] = self._requests
        self._listeners: ListenerFeed | None = None
        if LISTENERS in selection.wanted:
            self._listeners = feeds["listeners"] = ListenerFeed(ChosenNamespaces(config.namespaces))
        self._tls: TlsFeed | None = None
        if TLS in selection.wanted:
            self._tls = feeds["tls"] = TlsFeed()
        if self._http2:
            feeds["http2"] = self._http2
        self._handshakes = HandshakeCounts() if HANDSHAKE in selection.wanted else None
        if self._handshakes:
            feeds["handshakes"] = self._handshakes
        self._envoys: EnvoyFeed | None = None
        if ENVOY in selection.wanted:
            self._envoys = feeds["envoy"] = EnvoyFeed(self._http2)
        self._datagrams = UdpFeed(ChosenNamespaces(config.namespaces)) if UDP in selection.wanted else None
        if self._datagrams:
            feeds["udp"] = self._datagrams
        self._queries: DnsFeed | None = None
        if DNS in selection.wanted:
            chosen = ChosenNamespaces(config.namespaces)
            self._queries = feeds["dns"] = DnsFeed(config.dns, chosen, config.tcp.slots)
        self._quic = QuicFeed(ChosenNamespaces(config.namespaces)) if QUIC in selection.wanted else None
        if self._quic:
            feeds["quic"] = self._quic
        self._drops: DropFeed | None = None
        if DROPS in selection.wanted:
            self._drops = feeds["drops"] = DropFeed(ChosenNamespaces(config.namespaces))
        limited = LimitedProbes(self._probes, selection, ChosenNamespaces(config.namespaces))
        self._source = Source(limited, self._pass_on, selection.event_types, feeds=feeds)

    async def start(self) -> None:
        """Attaches every hook, adopts open sockets, and reads their rewrites. Cancelled, it ends the compiler and all
        that was started.

        :raises ProbeError: if this kernel or machine does not give what is needed.
        """
        await _in_thread(self._probes.start, self._probes.interrupt)
        if self._requests:
            self._requests.cells = self._probes.requests
        if self._listeners:
            self._listeners.cells = self._probes.listeners
        if self._drops:
            self._drops.cells = self._probes.drops
        if self._tls:
            self._tls.libraries = self._probes.tls
        if self._http2:
            self._http2.frames, self._http2.sockets = self._probes.frames, self._probes.sockets
        if self._queries:
            self._queries.kernel, self._queries.sockets = self._probes.queries, self._probes.sockets
            self._queries.flows = self._probes.datagrams
        if self._quic:
            self._quic.datagrams = self._probes.initials
        if self._handshakes:
            self._handshakes.tallies = HandshakeTallies(self._probes.loaded)
        if self._datagrams:
            self._datagrams.cells = self._probes.datagrams
        if self._envoys:
            self._envoys.programs = self._probes.envoys
        if self._conntrack:
            taken = {taken.hook for taken in self._probes.taken}
            self._conntrack.listen = KPROBES not in taken
            if TIMED in taken:
                loaded = self._probes.loaded
                self._conntrack.times = EntryTimes(loaded.programs[TIMED.program], loaded.maps[TIMES])
            self._conntrack.start()
            await _in_thread(self._conntrack.begin, lambda: None)
            warn_of_unseen(listening=self._conntrack.listen)

    async def run(self, send: Send) -> None:
        """Runs until stop(), then sends the last events and the unfinished window."""
        self._send = send
        await self._source.run()

    def state(self) -> dict[str, Any]:
        """How windows are cut, and which hook serves each feature."""
        clock = {"offset_ns": self._source.clock.offset_ns, "steps": self._source.clock.steps}
        taken = {taken.feature.name: taken.hook.name if taken.hook else None for taken in self._probes.taken}
        return {"clock": clock, "capabilities": taken}

    def stop(self) -> None:
        """Makes run() end."""
        self._source.stop()

    def close(self) -> None:
        """Nothing is left in the kernel."""
        self._probes.close()
        if self._conntrack:
            self._conntrack.close()

    async def _pass_on(self, frame: bytes) -> None:
        await self._send(frame)


async def _in_thread(work: Callable[[], None], interrupt: Callable[[], None]) -> None:
    """Works in a thread; cancelled, it is over when the thread is, which ``interrupt`` is to bring about."""
    working = asyncio.create_task(asyncio.to_thread(work), name="start of the probes")
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        interrupt()
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # taken note of
        raise


def boot_id() -> str:
    """Names this boot of the machine and this start of Tailrace: slots and generations begin anew with each."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}.{time.time_ns() // 10**6:x}"
