"""How many connections through NAT the peers of the pairing tell both ends of, read from what they printed."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.children import Child, find, holds, running
from tests.beds.network import inside

CONNTRACK: Final = "conntrack -E"
SS: Final = "ss -tn each second"
_TUPLE: Final = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")

#: Ports of clients and addresses of backends.
Pairs = Counter[tuple[int, str]]


@contextlib.contextmanager
def events(namespace: str, output: Path) -> Iterator[Child]:
    """Every new entry of the router."""
    command = [*inside(namespace), find("conntrack", "conntrack"), "-E", "-e", "NEW", "-p", "tcp"]
    with output.open("wb") as file, running(command, ready=holds("socket:"), output=file) as child:
        yield child


def told_by_events(path: Path, called: str) -> Pairs:
    """Addresses of both ends; no process, no byte, and nothing of whether the connection came about."""
    pairs: Pairs = Counter()
    with path.open() as file:
        for line in file:
            ends = _TUPLE.findall(line)
            if len(ends) == 2 and ends[0][1] == called:
                pairs[int(ends[0][2]), ends[1][0]] += 1
    return pairs


@contextlib.contextmanager
def samples(namespaces: Sequence[str], output: Path) -> Iterator[Child]:
    """The sockets of several namespaces each second."""
    tool = find("ss", "iproute2")
    polls = "; ".join(f"echo {name}; {' '.join(inside(name))} {tool} -tnH" for name in namespaces)
    loop = f"while :; do {polls}; sleep 1; done"
    with output.open("wb") as file, running(["sh", "-c", loop], ready=lambda _: True, output=file) as child:
        yield child


def told_by_samples(path: Path, client: str, backends: Mapping[str, str]) -> Pairs:
    """Sockets of a client and of a backend that have the client's port, whenever each was seen.

    :param backends: addresses by namespace.
    """
    callers, takers = set[int](), dict[str, set[int]]()
    with path.open() as file:
        for here, local, peer in _sockets(file):
            if here == client:
                callers.add(_port(local))
            else:
                takers.setdefault(here, set()).add(_port(peer))
    return Counter((port, backends[name]) for name, ports in takers.items() for port in ports & callers)


def _sockets(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Namespace, local end and peer's end of each socket."""
    here = ""
    for words in map(str.split, lines):
        if len(words) == 1:
            here = words[0]
        elif len(words) >= 5:
            yield here, words[3], words[4]


def _port(end: str) -> int:
    return int(end.rpartition(":")[2])
