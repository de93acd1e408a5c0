"""What drops packets in a small network, and the kernel's own counts of it."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.beds.processes import read_log
from tests.beds.watch import Program, await_that
from tests.kernel.loopback import until
from tests.kernel.nat_network import ADDRESSES, CLIENT, NatNetwork
from tests.slowness import SLOWNESS

#: Seconds in which a row must have come.
SETTLE_SECONDS: Final = 30 * SLOWNESS
CLIENT_ADDRESS, SERVER_ADDRESS = ADDRESSES[4][0], ADDRESSES[4][3]

Row = dict[str, Any]


class Watched:
    """A network, and a Tailrace that tells of its drops."""

    def __init__(self, network: NatNetwork, program: Program, path: Path) -> None:
        self.network = network
        self._program = program
        self._path = path

    def told(self, kind: str = "drop") -> list[Row]:
        """The rows of a kind so far."""
        return [row for row in read_log(self._path) if row["kind"] == kind]

    def drops(self, **wanted: Any) -> list[Row]:
        """Rows of drops with these values; ``__`` stands for a dot."""
        named = {name.replace("__", "."): value for name, value in wanted.items()}
        return [row for row in self.told() if all(row.get(name) == value for name, value in named.items())]

    def count(self, **wanted: Any) -> int:
        """Packets in those rows."""
        return sum(row["drops"] for row in self.drops(**wanted))

    def comes_to(self, count: int, **wanted: Any) -> int:
        """How many there are in such rows once there are ``count``, or the time is over, and a second more."""
        until(lambda: self.count(**wanted) >= count, SETTLE_SECONDS)
        return self.count(**wanted)

    def rules(
        self, role: str, tool: str, chain: str, port: int, end: str = "dport"
    ) -> "contextlib.AbstractContextManager[Callable[[], int]]":
        """Drops TCP and UDP to a port (``sport``: from it); gives how many packets the rules have dropped."""
        return rules(self.network, role, tool, chain, (end, port))

    def counters(self, role: str, *names: str) -> int:
        """The sum of some of the namespace's counters, by the names of ``nstat``."""
        said = self.network.run(role, "nstat -asz").splitlines()
        values = {line.split()[0]: int(line.split()[1]) for line in said if not line.startswith("#")}
        return sum(values[name] for name in names)


@contextlib.contextmanager
def rules(
    network: NatNetwork, role: str, tool: str, chain: str, at: tuple[str, int]
) -> Iterator[Callable[[], int]]:
    """Drops TCP and UDP; gives how many packets the rules have dropped.

    :param at: ``dport`` or ``sport``, and which.
    """
    end, port = at
    *table, chain = chain.split("/")
    where = f"{tool} -w" + "".join(f" -t {name}" for name in table)
    matches = [f"-p {protocol} --{end} {port} -j DROP" for protocol in ("tcp", "udp")]

    def dropped() -> int:
        lines = network.run(role, f"{where} -nvxL {chain}").splitlines()
        return sum(int(line.split()[0]) for line in lines if f"{end[0]}pt:{port}" in line)

    for match in matches:
        network.run(role, f"{where} -I {chain} {match}")
    try:
        yield dropped
    finally:
        for match in matches:
            network.run(role, f"{where} -D {chain} {match}")


def opened(network: NatNetwork, role: str, kind: int, family: int = socket.AF_INET) -> socket.socket:
    """A socket in a namespace; IPv4."""
    return network.within(role, lambda: socket.socket(family, kind))


def refused(network: NatNetwork, address: str, port: int, seconds: float = 0.4) -> tuple[int, str]:
    """Tries to connect from the client, for so long; its port, and what came of it."""
    with opened(network, CLIENT, socket.SOCK_STREAM, _family(address)) as caller:
        caller.settimeout(seconds)
        try:
            caller.connect((address, port))
        except OSError as error:
            return caller.getsockname()[1], type(error).__name__
        return caller.getsockname()[1], "connected"


def send(
    network: NatNetwork, address: str, port: int, count: int = 1, size: int = 10, role: str = CLIENT
) -> int:
    """Sends datagrams; the port that they come from."""
    with opened(network, role, socket.SOCK_DGRAM, _family(address)) as sender:
        sender.bind(("", 0))
        for _ in range(count):
            with contextlib.suppress(OSError):  # OUTPUT tells its own machine
                sender.sendto(bytes(size), (address, port))
        port_of_sender: int = sender.getsockname()[1]
        return port_of_sender


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def checksum(data: bytes) -> int:
    """That of IP (RFC 1071)."""
    words = struct.unpack(f"!{len(data) // 2}H", data) if len(data) % 2 == 0 else checksum_words(data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def checksum_words(data: bytes) -> tuple[int, ...]:
    """Those of an odd number of bytes."""
    return struct.unpack(f"!{len(data) // 2 + 1}H", data + b"\0")


def syn(source: str, destination: str, port: int, *, broken: bool = False, caller: int = 5555) -> bytes:
    """A segment that opens a connection.

    :param caller: the port that it comes from.
    """
    ends = socket.inet_aton(source) + socket.inet_aton(destination)

    def header(sum_: int) -> bytes:
        return struct.pack("!HHIIBBHHH", caller, port, 1, 0, 0x50, 2, 1000, sum_, 0)

    right = checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20) + header(0))
    return header(right ^ 0x5555 if broken else right)


def datagram(source: str, destination: str, port: int, *, broken: bool = False) -> bytes:
    """A datagram of two bytes from port 5555."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)

    def whole(sum_: int) -> bytes:
        return struct.pack("!HHHH2s", 5555, port, 10, sum_, b"ab")

    right = checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_UDP, 10) + whole(0))
    return whole(right ^ 0x5555 if broken else right)


def inject(
    network: NatNetwork, payload: bytes, protocol: int, *, source: str = CLIENT_ADDRESS, ttl: int = 64
) -> None:
    """Sends a packet with a header of its own from the client to the server."""
    ends = socket.inet_aton(source) + socket.inet_aton(SERVER_ADDRESS)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, ttl, protocol, 0) + ends
    raw = network.within(CLIENT, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    with raw:
        raw.sendto(header + payload, (SERVER_ADDRESS, 0))


@contextlib.contextmanager
def watched(network: NatNetwork, folder: Path, stage: str, *settings: tuple[str, str]) -> Iterator[Watched]:
    """A Tailrace that has begun."""
    path = folder / "rows.jsonl"
    environment = {
        "TAILRACE_DROPS_ENABLED": "on",
        "TAILRACE_HTTP_ENABLED": "off",
        "TAILRACE_ENVOY_ENABLED": "off",
        **dict(settings),
    }
    arguments = ("run", "--stage", stage, "--sink", f"jsonl:{path}")
    with Program.started(*arguments, environment=environment) as program:
        await_that(lambda: bool(read_log(path)), program)
        yield Watched(network, program, path)
