"""A network namespace with a DNS server whose answers are known, and processes that ask it through the C library."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.beds.network import PREFIX, execute, inside, remove

RESOLVERS: Final = Path("/etc/netns")
#: Names and addresses that A answers have, one after the other; the last one stays.
ANSWERS: Final = {
    "api.example.test.": ["127.0.0.2"],
    "web.example.test.": ["127.0.0.2"],
    "alias.example.test.": ["127.0.0.3"],
    "moved.example.test.": ["127.0.0.4", "127.0.0.5"],
    "short.search.example.test.": ["127.0.0.6"],
    "refused.example.test.": ["127.0.0.9"],
    "other.example.test.": ["127.0.0.10"],
    "udp.example.test.": ["127.0.0.12"],
}
#: Behind a name that is asked for.
ALIASES: Final = {"alias.example.test.": "target.example.test."}
PORT: Final = 8080

_SERVER: Final = f"""
import socket, threading
import dns.flags, dns.message, dns.rcode, dns.rdatatype, dns.rrset
ANSWERS, ALIASES = {ANSWERS!r}, {ALIASES!r}
asked = {{}}

def answer(data):
    query = dns.message.from_wire(data)
    reply, question = dns.message.make_response(query), query.question[0]
    name = question.name.to_text().lower()
    reply.flags |= dns.flags.RA
    if name not in ANSWERS:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        number = asked[name] = asked.get(name, -1) + 1
        address = ANSWERS[name][min(number, len(ANSWERS[name]) - 1)]
        owner = ALIASES.get(name, name)
        if owner != name:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", owner))
        reply.answer.append(dns.rrset.from_text(owner, 60, "IN", "A", address))
    return reply.to_wire()

def accept(listener, held):
    while True:
        held.append(listener.accept()[0])

listener = socket.create_server(("0.0.0.0", {PORT}), backlog=64)
threading.Thread(target=accept, args=(listener, []), daemon=True).start()
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    data, peer = names.recvfrom(4096)
    names.sendto(answer(data), peer)
"""

#: Takes ``NAME PORT`` (``NAME/udp PORT``: sends a datagram) or ``send NUMBER``, and says the local port of the
#: connection; what it opened stays open.
_CLIENT: Final = """
import socket, sys
opened = []
for line in sys.stdin:
    word, number = line.split()
    if word == "send":
        opened[int(number)].sendall(b"x" * 1000)
        print(0, flush=True)
        continue
    name, _, kind = word.partition("/")
    found = socket.getaddrinfo(name, int(number), socket.AF_INET, socket.SOCK_STREAM)
    connection = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    opened.append(connection)
    connection.bind(("127.0.0.1", 0))
    port = connection.getsockname()[1]
    connection.connect_ex(found[0][4])
    if kind == "udp":
        connection.send(b"x" * 100)
    print(port, flush=True)
"""


class Client:
    """A process that asks and calls."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(self, name: str, port: int = PORT) -> int:
        """Asks for a name, connects, and keeps the connection; its own port."""
        return self._say(f"{name} {port}")

    def send(self, number: int) -> None:
        """A thousand bytes on its connection of this number, from 0."""
        self._say(f"send {number}")

    def _say(self, text: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Place(NamedTuple):
    """A namespace with its server, and two processes in it."""

    namespace: str
    first: Client
    second: Client


@contextlib.contextmanager
def _running(namespace: str, program: str) -> Iterator["subprocess.Popen[str]"]:
    # ``ip netns exec`` mounts the namespace's own resolv.conf
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Everything runs."""
    namespace = f"{PREFIX}{os.getpid()}-names"
    folder = RESOLVERS / namespace
    with contextlib.ExitStack() as stack:
        execute("ip", "netns", "add", namespace)
        stack.callback(remove, namespace)
        execute(*inside(namespace), "ip", "link", "set", "lo", "up")
        folder.mkdir(parents=True)
        stack.callback(folder.rmdir)
        settings = folder / "resolv.conf"
        settings.write_text("nameserver 127.0.0.1\nsearch nowhere.example.test search.example.test\n")
        stack.callback(settings.unlink)
        server = stack.enter_context(_running(namespace, _SERVER))
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        clients = (Client(stack.enter_context(_running(namespace, _CLIENT))) for _ in range(2))
        yield Place(namespace, *clients)
