"""Each way to attach: the program runs just as often as it should, and nothing stays when its holder is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from model.errors import ProbeError
from model.probe import Hook, HookKind, Place
from probes.kernel import attach, program_types
from probes.kernel.binaries import locate, opened_elf
from probes.kernel.bpf.links import iterate
from probes.kernel.bpf.programs import TestRun
from probes.kernel.filesystems import mount_point
from probes.kernel.perf_events import has_kprobes
from tests.kernel.attach_holder import as_json, counted, loaded
from tests.kernel.loopback import until
from tests.kernel.objects import held_by, still_there

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
TIMES = 137
LIBRARY = "libc.so.6"
NO_KPROBES = pytest.mark.skipif(not has_kprobes(), reason="the kernel has no kprobes")


def call() -> None:
    """The system call, by the library's function."""
    for _ in range(TIMES):
        os.getppid()


def send(port: int) -> None:
    """Datagrams to ourselves."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(TIMES):
            sender.sendto(b"datagram", ("127.0.0.1", port))


def make() -> None:
    """Sockets, closed at once."""
    for _ in range(TIMES):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def getppid(process: int = 0) -> Place:
    """The library's function."""
    return Place(LIBRARY, symbol="getppid", process=process)


WAYS = [
    pytest.param(Hook("asked", "sys_enter"), call, id="raw_tracepoint"),
    pytest.param(Hook("traced", "syscalls:sys_enter_getppid", "tracepoint"), call, id="tracepoint"),
    pytest.param(Hook("called", "__x64_sys_getppid", "kprobe"), call, id="kprobe", marks=NO_KPROBES),
    pytest.param(Hook("called", "__x64_sys_getppid", "kretprobe"), call, id="kretprobe", marks=NO_KPROBES),
    pytest.param(Hook("called", kind="uprobe", place=getppid()), call, id="uprobe"),
    pytest.param(Hook("called", kind="uretprobe", place=getppid()), call, id="uretprobe"),
    pytest.param(
        Hook("anybody", kind="uprobe", place=getppid(process=os.getpid())), call, id="uprobe of one process"
    ),
    pytest.param(Hook("made", "inet_sock_create", "cgroup"), make, id="cgroup socket"),
    pytest.param(Hook("made", "inet_sock_release", "cgroup"), make, id="cgroup release"),
]


@pytest.fixture
def port() -> Iterator[int]:
    """Where datagrams may go."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        yield receiver.getsockname()[1]


@contextmanager
def holding(hook: Hook, port: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """A process that has the program attached."""
    command = [sys.executable, "-m", "tests.kernel.attach_holder", as_json(hook), str(os.getpid()), str(port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        try:
            assert answer(holder) == "attached"
            yield holder
        finally:
            holder.kill()


def answer(holder: "subprocess.Popen[str]") -> str:
    """Its next line."""
    assert holder.stdout
    return holder.stdout.readline().strip()


def count_of(holder: "subprocess.Popen[str]") -> int:
    """How often its program has counted."""
    assert holder.stdin
    print("count", file=holder.stdin, flush=True)
    return int(answer(holder))


def perf_events(process: int) -> int:
    """Open perf events of a process."""
    links = (entry.readlink() for entry in Path(f"/proc/{process}/fd").iterdir())
    return sum("perf_event" in str(link) for link in links)


@pytest.mark.parametrize(("hook", "happens"), WAYS)
def test_the_program_runs_as_often_as_it_happens(hook: Hook, happens: Callable[[], None]) -> None:
    """While it is attached, to the last time; after kill -9 of its holder no program, map or link is left."""
    with holding(hook) as holder:
        happens()
        assert count_of(holder) == TIMES
        held = held_by(holder.pid)
        assert held["prog"]
        assert bool(held["link"]) != bool(perf_events(holder.pid)), "one of both holds it there"
        holder.send_signal(signal.SIGKILL)
    assert until(lambda: not any(still_there(held).values())), still_there(held)


@pytest.mark.parametrize("target", ["inet_egress", "inet_ingress"])
def test_a_program_at_the_root_of_cgroups_sees_every_datagram(target: str, port: int) -> None:
    """Both ways, whether the hierarchy is mounted or not; its link goes with its holder."""
    with holding(Hook("sent", target, "cgroup"), port) as holder:
        send(port)
        assert until(lambda: count_of(holder) >= TIMES)
        assert count_of(holder) == TIMES
        held = held_by(holder.pid)
        assert held["link"]
        holder.send_signal(signal.SIGKILL)
    assert until(lambda: not any(still_there(held).values())), still_there(held)


def test_cgroups_need_no_mount(port: int) -> None:
    """In a mount namespace without cgroup2 the program is at the same root, and nothing is mounted for it."""
    script = (
        "import socket, sys\n"
        "from tests.kernel.attach_holder import counted, loaded\n"
        "from probes.kernel.filesystems import mount_point\n"
        "from tests.kernel.test_attach import send\n"
        "from model.probe import Hook\n"
        "assert mount_point('cgroup2') is None\n"
        f"hook = Hook('sent', 'inet_egress', 'cgroup'); held = loaded(hook, 0, {port}); held.attach_hook(hook)\n"
        f"send({port}); print(counted(held), mount_point('cgroup2'))\n"
    )
    shell = 'umount -l "$0" && exec "$1" -c "$2"' if mount_point("cgroup2") else 'exec "$1" -c "$2"'
    command = ["unshare", "--mount", "sh", "-c", shell, mount_point("cgroup2") or "", sys.executable, script]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.stdout) == ("", f"{TIMES} None\n")


def code_at(process: int, file: str, offset: int) -> bytes:
    """What a process runs at an offset of a file that it has mapped."""
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        span, rights, begin, *_, path = line.split(maxsplit=5)
        first, last = (int(edge, 16) for edge in span.split("-"))
        inside = offset - int(begin, 16)
        if "x" in rights and Path(path).name == file and 0 <= inside < last - first:
            with Path(f"/proc/{process}/mem").open("rb") as memory:
                memory.seek(first + inside)
                return memory.read(1)
    raise AssertionError(f"{process} has not mapped {file}")


def test_a_uprobe_leaves_no_breakpoint() -> None:
    """It is in the code of a process that has the library, and no longer after kill -9 of its holder."""
    place = getppid()
    path, offset = locate(place)
    before = Path(path).read_bytes()[offset : offset + 1]
    assert code_at(os.getpid(), LIBRARY, offset) == before
    with holding(Hook("called", kind="uprobe", place=place)) as holder:
        assert code_at(os.getpid(), LIBRARY, offset) == b"\xcc"
        holder.send_signal(signal.SIGKILL)
    assert until(lambda: code_at(os.getpid(), LIBRARY, offset) == before)


@pytest.mark.parametrize(("kind", "program"), [("uprobe", "called"), ("uretprobe", "anybody")])
def test_a_kernel_without_links_of_uprobes_has_perf_events(
    kind: HookKind, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Linux 6.10: the same program runs as often, in the one process that is meant."""
    for module in (attach, program_types):
        monkeypatch.setattr(module, "has_uprobe_links", lambda: False)
    hook = Hook(program, kind=kind, place=getppid(process=os.getpid()))
    held = loaded(hook, os.getpid())
    try:
        with closing(held.attach_hook(hook)) as attached:
            (event,) = attached.links.values()
            assert "perf_event" in str(Path(f"/proc/self/fd/{event}").readlink())
            call()
            assert counted(held) == TIMES
    finally:
        held.close()


@pytest.mark.parametrize("by", ["path", "build id", "offset"])
def test_a_place_is_found_in_each_way(by: str) -> None:
    """By path and symbol, by build id and symbol, and by build id and offset, which is that of the symbol."""
    path, offset = locate(getppid())
    with opened_elf(Path(path)) as elf:
        build_id = elf.build_id
    place = {
        "path": Place(path, symbol="getppid"),
        "build id": Place(build_id=build_id, symbol="getppid", process=os.getpid()),
        "offset": Place(build_id=build_id, offset=offset),
    }[by]
    hook = Hook("called", kind="uprobe", place=place)
    held = loaded(hook, os.getpid())
    try:
        with closing(held.attach_hook(hook)):
            call()
            assert counted(held) == TIMES
    finally:
        held.close()


CALLER = "import os, sys\nfor line in sys.stdin:\n    [os.getppid() for _ in range(int(line))]\n    print(flush=True)"


@contextmanager
def caller() -> Iterator["subprocess.Popen[str]"]:
    """A process that calls the function as often as it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def let_call(process: "subprocess.Popen[str]", times: int) -> None:
    """Returns when it has."""
    assert process.stdin
    print(times, file=process.stdin, flush=True)
    answer(process)


def test_processes_come_and_go() -> None:
    """One program, attached to each of two processes by itself, and taken off one while it stays in the other."""
    anywhere = Hook("anybody", kind="uprobe", place=getppid())
    held = loaded(anywhere, 0)
    try:
        with caller() as first, caller() as second:
            let_call(first, 1)  # it has the library
            handles = [
                held.attach_hook(Hook("anybody", kind="uprobe", place=getppid(process=process.pid)))
                for process in (first, second)
            ]
            let_call(first, 10)
            let_call(second, 200)
            call()  # of neither
            assert counted(held) == 210
            handles[0].close()
            let_call(first, 3000)
            let_call(second, 40_000)
            assert counted(held) == 40_210
            handles[1].close()
        with pytest.raises(ProbeError, match=r"cannot attach uprobe libc.so.6:getppid of \d+ \(.*"):
            held.attach_hook(Hook("anybody", kind="uprobe", place=getppid(process=first.pid)))
    finally:
        held.close()


def test_an_iterator_leaves_nothing_behind() -> None:
    """It visits every task, this one among them; its link and its program are gone with their descriptors."""
    hook = Hook("bpf_iter__task", kind="iterator")
    before = held_by(os.getpid())
    held = loaded(hook, 0)
    held.attach_hook(hook)
    iterate(held.programs["bpf_iter__task"])
    tasks = sum(1 for process in Path("/proc").glob("[0-9]*") for _ in (process / "task").glob("*"))
    assert counted(held) == pytest.approx(tasks, abs=50)  # some come and go meanwhile
    held.close()
    assert held_by(os.getpid()) == before


def test_a_program_that_is_run_on_request_is_tried_once() -> None:
    """The trial tells whether the kernel can; it runs again at each request."""
    hook = Hook("listed", kind="on_request")
    held = loaded(hook, 0)
    try:
        held.attach_hook(hook)
        run = TestRun(held.programs["listed"], 1)
        for _ in range(3):
            run(0)
        assert counted(held) == 4
    finally:
        held.close()


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (Hook("traced", "syscalls:no_such", "tracepoint"), "the kernel has no such tracepoint"),
        (Hook("called", kind="uprobe", place=Place(LIBRARY, symbol="no_such")), "no function no_such"),
        (Hook("called", kind="uprobe", place=Place("libnone.so", symbol="getppid")), "no such library"),
        (Hook("called", kind="uprobe", place=Place("/no/such", offset=1)), "No such file or directory"),
        (Hook("called", kind="uprobe", place=Place(build_id="00ff", offset=1)), "no process has a file with"),
        (
            Hook("called", kind="uprobe", place=Place(LIBRARY, build_id="00ff", symbol="getppid")),
            "its build id is",
        ),
    ],
)
def test_what_is_not_there_is_said(hook: Hook, reason: str) -> None:
    """In words, and nothing stays open."""
    held = loaded(hook, 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        with pytest.raises(ProbeError, match=reason):
            held.attach_hook(hook)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        held.close()
