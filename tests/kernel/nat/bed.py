"""A network namespace that rewrites its own connections, and what conntrack says of them."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

#: Where clients connect to, and where the rule sends them: the namespace's own addresses.
ASKED, SERVING = 8080, 9090
ADDRESSES = ("127.0.0.1", "::1")

#: Serves TCP and UDP on both families, then makes the connections that it is told of, one per line of
#: ``protocol address port``, and answers each with the port that it used; a TCP connection stays open.
TALKER = f"""
import socket, sys
families = {{4: socket.AF_INET, 6: socket.AF_INET6}}
kinds = {{"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}}
servers, kept = {{}}, []
for version, address in ((4, "127.0.0.1"), (6, "::1")):
    for protocol, kind in kinds.items():
        server = servers[protocol, version] = socket.socket(families[version], kind)
        server.bind((address, {SERVING}))
        if protocol == "tcp":
            server.listen()
print("serving", flush=True)
for line in sys.stdin:
    protocol, address, port = line.split()
    version = 6 if ":" in address else 4
    client = socket.socket(families[version], kinds[protocol])
    client.connect((address, int(port)))
    client.send(b"x")
    server = servers[protocol, version]
    if protocol == "tcp":
        server, _ = server.accept()
    assert server.recv(1) == b"x"
    kept += [client, server]
    print(client.getsockname()[1], flush=True)
"""

#: (protocol, original, reply): each direction is source, destination, source port, destination port.
Direction = tuple[str, str, int, int]
Rewrite = tuple[int, Direction, Direction]
PROTOCOLS = {"tcp": 6, "udp": 17}


@dataclass
class NatBed:
    """The namespace and the process that talks in it."""

    name: str
    talker: "subprocess.Popen[str]"

    @property
    def netns(self) -> int:
        """The namespace's inode."""
        return Path("/run/netns", self.name).stat().st_ino

    def connect(self, protocol: str, address: str, port: int) -> int:
        """A connection, with a byte that arrived; returns the client's port."""
        assert self.talker.stdin
        assert self.talker.stdout
        self.talker.stdin.write(f"{protocol} {address} {port}\n")
        self.talker.stdin.flush()
        return int(self.talker.stdout.readline())

    def run(self, *command: str) -> str:
        """A command in the namespace."""
        inside = ["ip", "netns", "exec", self.name, *command]
        return subprocess.run(inside, check=True, capture_output=True, text=True).stdout

    def entries(self) -> set[Rewrite]:
        """Entries of TCP and UDP that conntrack says it rewrites."""
        found = set()
        for family in ("ipv4", "ipv6"):
            for which in ("-n", "-g"):  # the source or the destination is rewritten
                said = self.run("conntrack", "-L", "-f", family, which, "-o", "xml")
                found |= {
                    _rewrite(flow) for flow in ElementTree.fromstring(said or "<conntrack/>").iter("flow")
                }
        return {rewrite for rewrite in found if rewrite[0]}


def _rewrite(flow: ElementTree.Element) -> Rewrite:
    original, reply = (_direction(meta) for meta in flow.findall("meta")[:2])
    protocol = flow.find("meta/layer4")
    assert protocol is not None
    return PROTOCOLS.get(protocol.get("protoname", ""), 0), original, reply


def _direction(meta: ElementTree.Element) -> Direction:
    said = {name: meta.findtext(f".//{name}", "") for name in ("src", "dst", "sport", "dport")}
    source, destination = (str(ip_address(said[name])) for name in ("src", "dst"))
    return source, destination, int(said["sport"] or 0), int(said["dport"] or 0)


@contextlib.contextmanager
def nat_bed() -> Iterator[NatBed]:
    """Sends connections to ASKED to SERVING, by a rule on output; the namespace goes when the block is left."""
    name = f"tailrace-nat-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        command = ["ip", "netns", "exec", name, sys.executable, "-c", TALKER]
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        _add_rules(name)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as talker:
            try:
                assert talker.stdout
                assert talker.stdout.readline() == "serving\n"
                yield NatBed(name, talker)
            finally:
                talker.kill()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def _add_rules(name: str) -> None:
    for program, address in zip(("iptables", "ip6tables"), ADDRESSES, strict=True):
        for protocol in PROTOCOLS:
            rule = [*("-t", "nat", "-A", "OUTPUT", "-p", protocol, "-d", address, "--dport", str(ASKED))]
            redirect = ["-j", "REDIRECT", "--to-ports", str(SERVING)]
            subprocess.run(["ip", "netns", "exec", name, program, *rule, *redirect], check=True)


def rewrites(events: np.ndarray) -> list[Rewrite]:
    """NAT events in the words of ``entries``."""
    return [(int(event["protocol"]), _said(event["original"]), _said(event["reply"])) for event in events]


def _said(side: np.void) -> Direction:
    source, destination = (_address(bytes(side[name])) for name in ("source_address", "destination_address"))
    return source, destination, int(side["source_port"]), int(side["destination_port"])


def _address(packed: bytes) -> str:
    """IPv4 addresses are IPv4-mapped."""
    mapped = packed.startswith(bytes(10) + b"\xff\xff")
    return str(IPv4Address(packed[12:]) if mapped else IPv6Address(packed))
