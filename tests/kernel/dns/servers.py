"""Real servers of DNS on addresses of the loopback: unbound, which knows a zone, and dnsmasq, a stub before it."""

import contextlib
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.slowness import SLOWNESS

UNBOUND: Final = "127.0.53.1"
UNBOUND6: Final = "::1"
STUB: Final = "127.0.53.2"
#: A resolver whose upstream does not answer.
QUIET: Final = "127.0.53.3"

_CONFIG: Final = """
server:
    interface: {address}@{port}
    interface: ::1@{port}
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    logfile: "{folder}/unbound.log"
    use-syslog: no
    log-replies: yes
    log-time-ascii: no
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    module-config: "iterator"
    do-not-query-localhost: no
    edns-buffer-size: 1232
    outbound-msg-retry: 1
    max-udp-size: 1232
    local-zone: "test." static
    local-data: "web.test. 60 IN A 192.0.2.1"
    local-data: "web.test. 60 IN AAAA 2001:db8::1"
    local-data: "v4.test. 60 IN A 192.0.2.4"
{names}
{big}
forward-zone:
    name: "broken.example"
    forward-addr: 127.0.53.9@9
remote-control:
    control-enable: no
"""
#: Name, type, response code.
Replies = Counter[tuple[str, str, str]]
_REPLY: Final = re.compile(r"info: \S+ (\S+)\. (\S+) IN (\S+) [\d.]+ \d+ \d+")


class Unbound:
    """An unbound that runs.

    :param port: of both addresses.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def replies(self) -> Replies:
        """What it says that it answered, but to those who waited for its start."""
        text = (self.folder / "unbound.log").read_text()
        found = Counter(_REPLY.findall(text))
        return Counter({key: count for key, count in found.items() if not key[0].startswith("ready")})


@contextlib.contextmanager
def unbound(folder: Path, port: int = 53) -> Iterator[Unbound]:
    """Answers for ``test.``; ``big.test`` has no room in a datagram, and what is below ``broken.example`` fails."""
    folder.mkdir()
    names = "\n".join(
        f'    local-data: "n{number}.test. 60 IN A 192.0.2.{number}"' for number in range(1, 250)
    )
    big = "\n".join(
        f"""    local-data: 'big.test. 60 IN TXT "{"x" * 200}{number}"'""" for number in range(12)
    )
    config = folder / "unbound.conf"
    config.write_text(_CONFIG.format(address=UNBOUND, port=port, folder=folder, names=names, big=big))
    with _running(["unbound", "-c", str(config), "-d"], UNBOUND, port):
        yield Unbound(folder, port)


@contextlib.contextmanager
def dnsmasq(folder: Path, address: str, upstream: str) -> Iterator[Path]:
    """A stub that asks ``upstream`` and remembers nothing; its log."""
    log = folder / f"dnsmasq-{address}.log"
    arguments = [
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--cache-size=0",
        "--bind-interfaces",
        "--user=root",
    ]
    arguments += [
        f"--listen-address={address}",
        f"--server={upstream}",
        "--log-queries",
        f"--log-facility={log}",
    ]
    arguments += [
        "--conf-file=/dev/null",
        f"--pid-file={folder}/dnsmasq-{address}.pid",
        "--except-interface=none",
    ]
    with _running(["dnsmasq", *arguments], address, 53):
        yield log


@contextlib.contextmanager
def _running(command: list[str], address: str, port: int) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        _wait(process, address, port)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", address: str, port: int) -> None:
    deadline = time.monotonic() + 30 * SLOWNESS
    while dig("ready.invalid", server=address, port=port, more=["+tries=1", "+timeout=1"]).returncode == 9:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not answer"


def dig(
    name: str, kind: str = "A", server: str = UNBOUND, port: int = 53, more: list[str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Asks once, or as ``more`` says."""
    command = ["dig", f"@{server}", "-p", str(port), *(more or []), name, kind]
    return subprocess.run(command, capture_output=True, text=True, check=False)
