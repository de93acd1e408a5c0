"""What the kernel itself says of the connections of a bed: ``conntrack -L`` and ``ss``."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tests.beds.network import FAMILIES, execute, inside
from tests.beds.truth import Ends

_TUPLE: Final = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")

#: A connection as it comes to a host -> as it leaves it.
Rewritings = Mapping[Ends, Ends]


def conntrack(namespace: str) -> Rewritings:
    """The TCP entries of a namespace that rewrite something."""
    found = {}
    for family in FAMILIES:
        for line in execute(*inside(namespace), "conntrack", "-L", "-p", "tcp", "-f", family).splitlines():
            original, reply = (
                Ends(source, int(source_port), destination, int(destination_port))
                for source, destination, source_port, destination_port in _TUPLE.findall(line)
            )
            found[original] = Ends(reply.destination, reply.destination_port, reply.source, reply.source_port)
    return {original: rewritten for original, rewritten in found.items() if original != rewritten}


def resolve(client: Ends, tables: Sequence[Rewritings]) -> list[Ends]:
    """The tuples of a connection on its way through hosts with these tables, its first included."""
    way = [client]
    for table in tables:
        if way[-1] in table:
            way.append(table[way[-1]])
    return way


def resolve_back(server: Ends, tables: Sequence[Rewritings]) -> list[Ends]:
    """The same from its last tuple: what the last host made it of, and so on; the first comes first."""
    back = [{rewritten: original for original, rewritten in table.items()} for table in reversed(tables)]
    return resolve(server, back)[::-1]


def established(namespace: str) -> set[tuple[str, int, str, int]]:
    """(local address, local port, peer address, peer port) of the connections that are open."""
    lines = execute(*inside(namespace), "ss", "-tnH", "state", "established").splitlines()
    return {(*_end(line.split()[2]), *_end(line.split()[3])) for line in lines}


def _end(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]").removeprefix("::ffff:"), int(port)
