"""The probes in this machine's kernel: compiled together, attached one by one, gone with their descriptors.

Programs that run in processes (TLS libraries, Envoys) are compiled apart, and loaded when the first such process is
found, unless the configuration demands them.
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from model.errors import ProbeError
from model.probe import Attachment, Feature, Hook, Probe, Ring
from probes.dns.maps import DnsMaps
from probes.dns.probe import DNS
from probes.drops.cells import DropCells
from probes.drops.probe import DROPS
from probes.drops.probe import REASONS as DROPPED
from probes.envoy.probe import LINKS
from probes.envoy.programs import EnvoyPrograms
from probes.http.cells import RequestCells, fill_jumps
from probes.http.probe import HTTP
from probes.http2.probe import HTTP2
from probes.http2.ring import FrameRing
from probes.kernel.bpf.maps import percpu_lookup
from probes.kernel.headers import Headers, find_headers
from probes.kernel.interruption import Interruption
from probes.kernel.layout import enums, structs
from probes.kernel.loader import Loaded, load, load_more
from probes.kernel.ring import RingReader
from probes.later import LaterPrograms
from probes.listeners.cells import ListenerCells
from probes.listeners.probe import LISTENERS
from probes.quic.probe import QUIC
from probes.quic.ring import InitialRing
from probes.selection import Selection
from probes.sources import absent_programs, source_text, spare_programs
from probes.tcp.probe import READS, STATES
from probes.tcp.sockets import Snapshot, TcpSockets
from probes.tls.libraries import TlsLibraries
from probes.tls.probe import LIBRARIES
from probes.udp.cells import UdpFlows
from probes.udp.probe import UDP

log = logging.getLogger(__name__)

#: The name of the ring that all probes share.
SHARED = "ring"
#: Programs that read much of the task at work.
_READ_TASKS = {
    hook.program for feature in (STATES, READS) for way in feature.alternatives for hook in way.parts
}


def _macros(hooks: Sequence[Hook], absent: Mapping[str, str]) -> dict[str, int]:
    return {hook.macro: 1 for hook in hooks if hook.macro and hook.program not in absent}


class AttachedProbes:
    """The probes that are wanted, from ``start`` to ``close``."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._stack = contextlib.ExitStack()
        self._interruption = Interruption()
        self._taken: list[Attachment] = []
        self.headers: Headers | None = None
        #: Counted requests, where the probe of HTTP is wanted.
        self.requests: RequestCells | None = None
        #: Listening sockets, where they are looked at.
        self.listeners: ListenerCells | None = None
        #: Probes in TLS libraries, where they are wanted.
        self.tls: TlsLibraries | None = None
        #: Frames of HTTP/2, where that is wanted.
        self.frames: FrameRing | None = None
        #: Queries of DNS, where they are wanted.
        self.queries: DnsMaps | None = None
        #: First datagrams of QUIC, where they are wanted.
        self.initials: InitialRing | None = None
        #: Probes in Envoys, where they are wanted.
        self.envoys: EnvoyPrograms | None = None
        #: Flows of UDP, where that is wanted.
        self.datagrams: UdpFlows | None = None
        #: Dropped packets, where the probe of these is wanted and the kernel gives its reasons.
        self.drops: DropCells | None = None
        #: By name, the shared one first.
        self.rings: dict[str, RingReader] = {}

    def interrupt(self) -> None:
        """Ends a start() that is under way in another thread, which undoes what it did."""
        self._interruption.ask()

    def start(self, *, whole: bool = False) -> None:
        """Compiles, loads, attaches, adopts. Takes about two seconds; everything is undone by close().

        :param whole: also loads what is else loaded when it is needed.
        :raises NotWantedError: if it is interrupted.
        :raises ProbeError: if this kernel or machine does not give what is needed.
        """
        try:
            self.headers = find_headers()
            self.loaded = self._load(self.headers)
            self._stack.callback(self.loaded.close)
            self._later = LaterPrograms(self.loaded, self._load_later)
            self._map_rings()
            self.sockets = TcpSockets(self.loaded, self._selection.config.tcp.slots)
            self._stack.callback(self.sockets.close)
            self._map_requests()
            self._map_queries()
            self._map_datagrams()
            self._map_listeners()
            self._map_drops()
            if whole or self._demands_later():
                self._later.load()
            for probe in self._selection.wanted:
                self._interruption.check()
                for feature in probe.features:  # one by one: after a failure `doctor` shows those before it
                    self._taken.append(self._attach(probe, feature))
            self._taken = self.sockets.attached(self._taken) + self._selection.off()
            if self.datagrams:
                self.datagrams.adopt()
            self._follow_libraries()
            self._follow_envoys()
            self._stack.callback(
                self.interrupt
            )  # of what is being compiled: before the threads are waited for
        except BaseException:
            self.close()
            raise

    def _load(self, headers: Headers) -> Loaded:
        """With tasks read directly where the verifier takes it (Linux 5.11), else by a call for each field."""
        if headers.source != "btf":
            return self._load_with(headers, {})
        refusal: ProbeError | None = None
        try:
            loaded = self._load_with(headers, {"KERNEL_BTF": 1, "DIRECT": 1})
        except ProbeError as error:  # an older bcc does not know the helper
            refusal = error
        else:
            if not loaded.refused.keys() & _READ_TASKS:
                return loaded
            loaded.close()
        loaded = self._load_with(headers, {"KERNEL_BTF": 1})
        if refusal:  # what is wrong with both is told once, by who refuses to start
            log.warning("tasks are read by calls, and requests are not counted: %s", refusal)
        return loaded

    def _load_with(self, headers: Headers, defines: dict[str, int]) -> Loaded:
        self._defines = {**self._selection.defines, **defines}
        wanted = self._selection.wanted
        features = [self._selection.ways(probe, feature) for probe in wanted for feature in probe.features]
        absent = absent_programs(headers, wanted)
        absent |= spare_programs(features, absent)
        hooks = [part for feature in features for way in feature.alternatives for part in way.parts]
        self._later_hooks = [hook for hook in hooks if hook.later]
        now = [hook for hook in hooks if not hook.later]
        return load(
            source_text(headers, wanted),
            headers=headers,
            defines=self._defines | _macros(now, absent),
            maps=self._map_names(),
            hooks=now,
            absent=absent,
            later=[hook.program for hook in self._later_hooks],
            interruption=self._interruption,
        )

    def _map_names(self) -> list[str]:
        """Of maps that user space reads or writes."""
        wanted = self._selection.wanted
        rings = [SHARED, *(ring.name for probe in wanted for ring in probe.rings)]
        return [*rings, *(name for probe in wanted for name in probe.maps)]

    def _demands_later(self) -> bool:
        """Whether the configuration refuses to start without programs that run in processes."""
        return any(
            self._selection.ways(probe, feature).required
            for probe in self._selection.wanted
            for feature in probe.features
            if any(part.later for way in feature.alternatives for part in way.parts)
        )

    def _load_later(self) -> None:
        assert self.headers
        try:
            load_more(
                self.loaded,
                source_text(self.headers, self._selection.wanted, later=True),
                headers=self.headers,
                defines=self._defines | _macros(self._later_hooks, self.loaded.absent),
                hooks=self._later_hooks,
                interruption=self._interruption,
            )
            fill_jumps(self.loaded)
        finally:
            self.loaded.keep_maps(set(self._map_names()))

    def _map_rings(self) -> None:
        self._map_ring(Ring(SHARED, self._selection.defines["RING_BYTES"]), structs("tcp")["socket_event"])
        for probe in self._selection.wanted:
            for ring in probe.rings:
                self._map_ring(ring, self._selection.event_types.struct_of(ring.name))

    def _map_ring(self, ring: Ring, event: np.dtype[np.void]) -> None:
        reader = RingReader(self.loaded.maps[ring.name], ring.size, event)
        self.rings[ring.name] = reader
        self._stack.callback(reader.close)

    def _map_requests(self) -> None:
        if HTTP in self._selection.wanted:
            config = self._selection.config
            self.requests = RequestCells(self.loaded, self.sockets, config.http, config.tcp.slots)
            self._stack.callback(self.requests.close)
        if HTTP2 in self._selection.wanted:
            self.frames = FrameRing(self.loaded, self._selection.config.http.http2.ring_bytes)
            self._stack.callback(self.frames.close)

    def _map_datagrams(self) -> None:
        if UDP in self._selection.wanted:
            self.datagrams = UdpFlows(self.loaded, self._selection.config.udp)
            self._stack.callback(self.datagrams.close)

    def _map_listeners(self) -> None:
        if LISTENERS in self._selection.wanted:
            self.listeners = ListenerCells(self.loaded, self._selection.config.listeners.sockets)
            self._stack.callback(self.listeners.close)

    def _map_queries(self) -> None:
        if DNS in self._selection.wanted:
            self.queries = DnsMaps(self.loaded, self._selection.config.dns)
            self._stack.callback(self.queries.close)
        if QUIC in self._selection.wanted:
            self.initials = InitialRing(self.loaded, self._selection.config.udp.quic_bytes)
            self._stack.callback(self.initials.close)

    def _map_drops(self) -> None:
        program = DROPPED.alternatives[0].program
        if DROPS in self._selection.wanted and program in self.loaded.programs:
            assert self.headers
            self.drops = DropCells(self.loaded, self.headers, self._selection.config.drops)
            self._stack.callback(self.drops.close)

    def _follow_libraries(self) -> None:
        if any(one.feature.name == LIBRARIES.name and one.hook for one in self._taken):
            self.tls = TlsLibraries(self.loaded, self._later.attach)
            self._stack.callback(self.tls.close)
            self.tls.start()

    def _follow_envoys(self) -> None:
        links = any(one.feature.name == LINKS.name and one.hook for one in self._taken)
        if links and "link_tallies" in self.loaded.maps:  # where requests can be counted
            self.envoys = EnvoyPrograms(self.loaded, self._later.attach)
            self._stack.callback(self.envoys.close)
            self.envoys.start()
            if self.tls:
                self.tls.listeners.append(self.envoys.notice)

    def _attach(self, probe: Probe, feature: Feature) -> Attachment:
        taken = self.loaded.attach(self._selection.ways(probe, feature))
        if taken.hook is None and feature.required:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in taken.refused.items())
            log.warning("probe %s has no hook for %s (%s)", probe.name, feature.name, reasons)
        return Attachment(feature, taken.hook, taken.refused)

    @property
    def taken(self) -> list[Attachment]:
        """What became of each feature by now, in the order in which they were attached."""
        return [self._by_now(one) for one in self._taken]

    def _by_now(self, one: Attachment) -> Attachment:
        later = [part for part in one.hook.parts if part.later] if one.hook else []
        reasons = [f"{part.name}: {reason}" for part in later if (reason := self.loaded.refusal(part))]
        if not one.hook or not reasons:
            return one
        return Attachment(one.feature, None, one.refused | {one.hook.name: reasons[0]})

    @property
    def compile_seconds(self) -> float:
        """How long compiling and loading took."""
        return self.loaded.compile_seconds

    @property
    def programs(self) -> dict[str, int]:
        """Descriptors of the loaded programs; ``probes.kernel.bpf.programs.program_info`` tells their run time."""
        return dict(self.loaded.programs)

    def ring_counts(self) -> dict[str, tuple[int, int]]:
        """Events made for each ring, and those of them that were lost because it was full."""
        cells = enums("kernel")["ring_count"]
        width = cells["RING_COUNTS"]
        values = percpu_lookup(self.loaded.maps["ring_counts"], width * len(self.rings)).tolist()
        made, lost = values[cells["RING_MADE"] :: width], values[cells["RING_LOST"] :: width]
        return {name: (made[number], lost[number]) for number, name in enumerate(self.rings)}

    def tallies(self) -> dict[str, int]:
        """The kernel side's own counts of sockets, by the names of ``enum tally``."""
        return self.sockets.tallies()

    def snapshot(self) -> Snapshot:
        """Brings all counters up to date and copies those of live sockets."""
        return self.sockets.snapshot()

    def detach(self) -> None:
        """Takes the hooks off: no more events; what was seen can still be read."""
        self.loaded.detach()

    def close(self) -> None:
        """Detaches; nothing is left in the kernel."""
        self._stack.close()
