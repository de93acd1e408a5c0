"""The table of rights in docs/service.md: each capability taken away, what stops, and what is said."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from probes.kernel.perf_events import has_kprobes
from tests.beds.processes import read_log
from tests.kernel.nat_network import CLIENT, ROUTER, SERVER, NatNetwork
from tests.slowness import SLOWNESS

TAILRACE: Final = Path(sys.executable).parent / "tailrace"
ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/service.md"
#: What clients call, and the router rewrites to the server.
CALLED: Final = "10.99.0.1"
PORT: Final = 7000
#: So many Tailraces run at once.
AT_ONCE: Final = 3
ALL: Final = tuple(
    re.findall(
        r"CAP_\w+",
        next(
            line
            for line in (ROOT / "deploy/systemd/tailrace.service").read_text().splitlines()
            if line.startswith("AmbientCapabilities=")
        ),
    )
)
#: By what is taken away.
RIGHTS: Final = {
    "": ALL,
    **{name: tuple(each for each in ALL if each != name) for name in ALL},
    "CAP_BPF and CAP_SYS_ADMIN": tuple(each for each in ALL if each not in ("CAP_BPF", "CAP_SYS_ADMIN")),
}

#: What is seen with all of them: it starts, joins, and knows owners.
WITH_ALL: Final = {"code": 0, "new": 3, "old": True, "executables": True}
#: What is otherwise without one.
WITHOUT: Final[dict[str, dict[str, object]]] = {
    "CAP_BPF": {},
    "CAP_PERFMON": {},
    "CAP_NET_ADMIN": {"new": 0, "old": False},
    "CAP_NET_BROADCAST": {"new": 0},
    "CAP_SYS_ADMIN": {"old": False},
    "CAP_SYS_PTRACE": {"executables": False},
    "CAP_BPF and CAP_SYS_ADMIN": {"code": 1, "new": 0, "old": False, "executables": False},
}

pytestmark = pytest.mark.kernel


@dataclass
class Seen:
    """What one Tailrace saw and said.

    :param new: connections after its start of which both ends were joined through the rewrite.
    :param old: whether that was so of the one of before its start.
    :param executables: whether the executable of a client's process of another user was known.
    """

    code: int | None
    new: int
    old: bool
    executables: bool
    said: str


class Watching:
    """``tailrace run`` as a user with some capabilities, ready when it says so.

    :param cache: where it may keep what it compiled.
    """

    def __init__(self, folder: Path, rights: tuple[str, ...], cache: Path) -> None:
        folder.mkdir()
        folder.chmod(0o777)
        self.rows, self._log = folder / "rows.jsonl", (folder / "log").open("w+")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        (folder / "notify").chmod(0o777)
        names = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in rights)
        sets = [f"--{kind}=-all,{names}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        user = ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", *sets, "--no-new-privs"]
        environment = {
            "PATH": "/usr/bin:/usr/sbin",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "CACHE_DIRECTORY": str(cache),
            "TAILRACE_STORE_ENABLED": "off",
            "TAILRACE_TCP_SLOTS": "4096",
        }
        command = [*user, str(TAILRACE), "run", "--sink", f"jsonl:{self.rows}"]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment, cwd="/")

    def ready_or_gone(self) -> bool:
        """Whether it is ready, or has ended."""
        try:
            return b"READY=1" in self._socket.recv(4096)
        except BlockingIOError:
            return self.process.poll() is not None

    def flows(self) -> list[dict[str, Any]]:
        """Those of the client's namespace up to now."""
        return [row for row in read_log(self.rows) if row.get("client.address") == "10.77.1.2"]

    def told(self, ports: set[int]) -> bool:
        """Whether there are rows of all these connections of the client."""
        return ports <= {row["client.port"] for row in self.flows()}

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        self._socket.close()

    def seen(self, old: int, new: set[int]) -> Seen:
        """Once it has ended.

        :param old: the client's port of the connection of before its start; ``new``: those of the others.
        """
        self._log.seek(0)
        flows = self.flows()
        joined = {row["client.port"] for row in flows if row["evidence"] == "both" and "nat" in row}
        entities = [row.get("client.entity", {}) for row in flows if row["client.port"] in new]
        known = any("process.executable.path" in entity for entity in entities)
        return Seen(self.process.returncode, len(joined & new), old in joined, known, self._log.read())


def _readable() -> bool:
    """Whether another user may run this checkout's Tailrace."""
    user = ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", str(TAILRACE), "--version"]
    return subprocess.run(user, capture_output=True, cwd="/", check=False).returncode == 0


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One that every user may enter, as pytest's own is not."""
    if not _readable():
        pytest.skip("the checkout lies where other users may not read")
    if has_kprobes():
        pytest.skip("kprobes see rewrites without ctnetlink's rights")
    folder = Path(tempfile.mkdtemp(prefix="rights-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def network() -> Iterator[NatNetwork]:
    """A router that sends what calls ``CALLED`` to the server, who reads what comes."""
    network = NatNetwork()
    try:
        network.build()
        rule = f"PREROUTING -d {CALLED} -p tcp --dport {PORT} -j DNAT --to 10.77.2.2:{PORT}"
        network.run(ROUTER, f"iptables -t nat -A {rule}")
        yield network
    finally:
        network.remove()


def wait(condition: Callable[[], bool], what: str) -> None:
    """Looks again and again.

    :raises TimeoutError: if it does not come true; many start at once here.
    """
    deadline = time.monotonic() + 120 * SLOWNESS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def serve(listener: socket.socket) -> None:
    """Answers whoever calls until the listener is closed."""
    taken = []
    while True:
        try:
            taken.append(listener.accept()[0])
        except OSError:
            return
        threading.Thread(target=echo, args=(taken[-1],), daemon=True).start()


def echo(end: socket.socket) -> None:
    """Sends back what comes."""
    with end:
        while data := end.recv(100):
            end.sendall(data)


def speak(end: socket.socket) -> None:
    """A byte to the server and back."""
    end.sendall(b"x")
    assert end.recv(1)


@pytest.fixture(scope="module")
def seen(network: NatNetwork, folder: Path) -> dict[str, Seen]:
    """What each saw of connections that were made once it was ready.

    Its dump of the entries is over by then, and the next one is due a minute after its start.
    """
    listener = network.listen(SERVER, "tcp", "0.0.0.0", PORT)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    cache = folder / "cache"
    cache.mkdir()
    cache.chmod(0o777)

    def called() -> socket.socket:
        return network.within(CLIENT, lambda: socket.create_connection((CALLED, PORT), timeout=20))

    old = called()
    speak(old)

    def watched(number: int, rights: tuple[str, ...]) -> Seen:
        return seen_by(Watching(folder / str(number), rights, cache), called, old)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(watched, range(len(RIGHTS)), RIGHTS.values()))
    finally:
        listener.close()
        old.close()
    return dict(zip(RIGHTS, found, strict=True))


def seen_by(watching: Watching, called: Callable[[], socket.socket], old: socket.socket) -> Seen:
    """What one saw of three new connections, and of one from before its start."""
    new: set[int] = set()
    port = int(old.getsockname()[1])
    try:
        wait(watching.ready_or_gone, "it is ready")
        if watching.process.poll() is None:
            for _ in range(3):
                with called() as end:
                    speak(end)
                    new.add(int(end.getsockname()[1]))
            speak(old)
            wait(lambda: watching.told({port, *new}), "it has told of four connections")
    finally:
        watching.end()
    return watching.seen(port, new)


def test_all_of_them_are_enough(seen: dict[str, Seen]) -> None:
    """New connections and the one of before the start are joined through NAT; owners of other users are known."""
    assert WITH_ALL.items() <= vars(seen[""]).items()
    assert "no CAP_" not in seen[""].said


@pytest.mark.parametrize("name", WITHOUT)
def test_what_stops_without_a_capability(seen: dict[str, Seen], name: str) -> None:
    """That, and nothing else."""
    assert (WITH_ALL | WITHOUT[name]).items() <= vars(seen[name]).items(), seen[name].said


@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_said_is_on_the_page(seen: dict[str, Seen], name: str) -> None:
    """The last column of its line of the table; where nothing stops, nothing is said."""
    line = re.search(rf"(?m)^\| `{name}` \| ([^|]+) \| (?:`([^`]+)`)? ?\|$", PAGE.read_text())
    assert line is not None
    assert line[1].startswith("nothing") == (not WITHOUT[name])
    said = [each for each in seen[name].said.splitlines() if "no CAP_" in each]
    assert all(line[2] in each for each in said) if line[2] else not said
    assert bool(said) == bool(line[2])
