"""All probes of Tailrace, one line each."""

from typing import Final

from model.probe import Probe
from probes.conntrack.probe import CONNTRACK
from probes.dns.probe import DNS
from probes.drops.probe import DROPS
from probes.envoy.probe import ENVOY
from probes.handshake.probe import HANDSHAKE
from probes.http.probe import HTTP
from probes.http2.probe import HTTP2
from probes.kernel.probe import SHARED
from probes.listeners.probe import LISTENERS
from probes.process.probe import PROCESS
from probes.quic.probe import QUIC
from probes.tcp.probe import TCP
from probes.tls.probe import TLS
from probes.udp.probe import UDP

#: In the order in which they are compiled and attached; the first has what the others share.
PROBES: Final[tuple[Probe, ...]] = (
    *(SHARED, LISTENERS, TCP, CONNTRACK, PROCESS),
    *(HTTP, HTTP2, TLS, HANDSHAKE, ENVOY, DNS, QUIC, UDP, DROPS),
)
