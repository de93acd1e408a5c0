"""Loading, attaching and detaching: what is taken, what is refused, and that nothing stays in the kernel."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Config
from engine.plugins.probes import select
from enrichers.process.config import ProcessConfig
from model.errors import ProbeError
from model.probe import Feature, Hook, Probe
from probes.attached import AttachedProbes
from probes.conntrack.config import NatConfig
from probes.conntrack.probe import CONNTRACK, KPROBES, NAT, TIMED
from probes.kernel import loader
from probes.kernel.bpf.maps import array_lookup
from probes.kernel.bpf.programs import program_info
from probes.kernel.filesystems import root_of
from probes.kernel.headers import find_headers, version_numbers
from probes.kernel.loader import Loaded, load
from probes.kernel.memory import map_bytes
from probes.kernel.perf_events import has_kprobes
from probes.process.probe import EXECUTIONS, PROCESS
from probes.registry import PROBES
from probes.sources import read_sources
from probes.tcp.config import TcpConfig
from probes.tcp.probe import CONNECTIONS, MESSAGES
from probes.tls.probe import LIBRARIES, TLS
from tests.kernel import started
from tests.kernel.loopback import connect, listening, until
from tests.kernel.objects import KINDS, held_by, map_memory, still_there
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

FEATURES = [feature for probe in PROBES for feature in probe.features]
ROOT = Path(__file__).parents[2]
NOTHING: dict[str, set[int]] = {kind: set() for kind in KINDS}
HOLDER = """
from tests.kernel.started import Probes
probe = Probes()
probe.start()
print("started", flush=True)
input()
"""
COMPILE_SECONDS = 120
ROUNDING = range(2 * 4096 + 1)
PROGRAM = """
BPF_ARRAY(cells_of_test, u64, 4);
int seen(struct bpf_raw_tracepoint_args *ctx) { return 0; }
int bad(struct bpf_raw_tracepoint_args *ctx) { return *(int *)ctx->args[0]; }
"""


COUNTING = PROGRAM.replace(
    "return 0; }",
    "int place = 3; u64 *cell = cells_of_test.lookup(&place); if (cell) *cell += 1; return 0; }",
    1,
)


@pytest.fixture
def loaded() -> Iterator[Loaded]:
    """A program that the kernel takes, and one that it refuses."""
    hooks = [Hook("seen", "sys_enter"), Hook("bad", "sys_enter")]
    made = load(PROGRAM, headers=find_headers(), defines={}, maps=["cells_of_test"], hooks=hooks)
    yield made
    made.close()


def test_close_leaves_nothing_in_the_kernel() -> None:
    """After close() no program, map or link is left, though the probe is still referred to."""
    before = held_by(os.getpid())
    probe = Probes()
    probe.start()
    probe.snapshot()
    held = {kind: ids - before[kind] for kind, ids in held_by(os.getpid()).items()}
    probe.close()
    assert all(held[kind] for kind in KINDS)
    assert held_by(os.getpid()) == before
    assert until(lambda: still_there(held) == NOTHING), still_there(held)


def test_detach_leaves_maps_readable() -> None:
    """After detach() no link is left, counts can still be read, and new connections do not change them."""
    probe = Probes()
    probe.start()
    held = held_by(os.getpid())
    probe.detach()
    gone = {**NOTHING, "link": held["link"]}
    assert held["link"]
    assert until(lambda: still_there(gone) == NOTHING)
    before = probe.tallies()
    with listening() as listener:
        connect(listener).close()
    assert probe.tallies() == before
    probe.close()


def test_a_failed_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a required hook is refused at the end of the start, what was loaded goes again."""
    before = held_by(os.getpid())
    missing = Feature("future", "tests", (Hook("used", "tcp_no_such_tracepoint"),))
    monkeypatch.setattr(started, "PROBES", (*PROBES, Probe("future", features=(missing,), switch=None)))
    probe = Probes(every=True)
    with pytest.raises(ProbeError, match=r"no hook for future: .*the kernel has no such tracepoint"):
        probe.start()
    assert held_by(os.getpid()) == before
    assert [taken.feature for taken in probe.taken] == FEATURES


def test_sigkill_leaves_nothing_in_the_kernel() -> None:
    """The kernel takes everything back when the process that holds the probe is killed."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        held = held_by(process.pid)
        process.send_signal(signal.SIGKILL)
    assert all(held[kind] for kind in KINDS)
    assert until(lambda: still_there(held) == NOTHING), still_there(held)


def test_a_missing_tracepoint_gives_way_to_the_next(loaded: Loaded) -> None:
    """The first alternative that attaches is taken; those before it are refused with their reasons."""
    ways = (
        Hook("bad", "sys_enter"),
        Hook("seen", "tcp_no_such_tracepoint"),
        Hook("seen", "tcp_destroy_sock"),
    )
    taken = loaded.attach(Feature("trial", "tests", ways))
    assert taken.hook == ways[2]
    assert taken.refused["tracepoint tcp_no_such_tracepoint"] == "the kernel has no such tracepoint"
    verdict = taken.refused["tracepoint sys_enter"]
    assert verdict.startswith("the kernel refused the program: ")
    assert "invalid mem access" in verdict


def test_a_feature_without_any_hook_is_refused_if_required(loaded: Loaded) -> None:
    """A required feature ends the start with the reason; another is noted as not taken."""
    ways = (Hook("seen", "tcp_no_such_tracepoint"),)
    with pytest.raises(
        ProbeError, match=r"no hook for trial.*tcp_no_such_tracepoint: the kernel has no such"
    ):
        loaded.attach(Feature("trial", "tests", ways))
    optional = loaded.attach(Feature("trial", "tests", ways, required=False, loss="nothing"))
    assert (optional.hook, list(optional.refused)) == (None, ["tracepoint tcp_no_such_tracepoint"])


def test_a_source_that_does_not_compile_is_quoted() -> None:
    """The error names file, line and what clang says; all of it is in the note."""
    with pytest.raises(ProbeError, match=r"does not compile \(.*error: .*nonsense") as raised:
        load("int f(void) { return nonsense; }", headers=find_headers(), defines={}, maps=[], hooks=[])
    assert "nonsense" in raised.value.__notes__[0]


def test_what_was_compiled_is_loaded_again_without_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same instructions for the kernel (their tags), maps and reasons; it works."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    headers = find_headers()
    hooks = [Hook("seen", "sys_enter"), Hook("bad", "sys_enter"), Hook("nowhere", "sys_enter")]

    def load_it() -> tuple[Loaded, bytes]:
        made = load(COUNTING, headers=headers, defines={}, maps=["cells_of_test"], hooks=hooks)
        return made, bytes(program_info(made.programs["seen"]).tag)

    first, tag = load_it()
    first.close()
    monkeypatch.setattr(loader, "compiled", None)
    again, same_tag = load_it()
    try:
        assert (same_tag, again.refused, again.absent) == (tag, first.refused, first.absent)
        assert set(again.refused) == {"bad"}
        assert set(again.absent) == {"nowhere"}
        again.attach(Feature("trial", "tests", (Hook("seen", "sys_enter"),)))
        os.getppid()
        assert array_lookup(again.maps["cells_of_test"], 3) > 0
    finally:
        again.close()


def test_what_only_its_compiler_could_load_is_refused() -> None:
    """A function that is not inline has its place relative to others of the same process."""
    source = PROGRAM.replace("return 0; }", "return far(ctx); }", 1)
    far = "static __attribute__((noinline)) int far(void *ctx) { return bpf_get_prandom_u32(); }"
    with pytest.raises(ProbeError, match=r"does not compile \(seen calls a function that is not inline\)"):
        load(f"{far}\n{source}", headers=find_headers(), defines={}, maps=[], hooks=[])


def names_in(root: int, folder: str) -> list[str]:
    """What is in a folder below an open one."""
    return [path.name for path in Path(f"/proc/self/fd/{root}", folder).iterdir()]


def test_this_kernel_gives_every_feature() -> None:
    """On a kernel with all hooks every feature is served by the first alternative, or the first that is no kprobe."""
    with root_of("tracefs") as tracefs:
        if "tcp_sendmsg_locked" not in names_in(tracefs, "events/tcp"):
            pytest.skip("this kernel has no tcp_sendmsg_locked")
    probe = Probes(every=True)
    probe.start(whole=True)
    hooks = {taken.feature.name: taken.hook for taken in probe.taken}
    probe.close()
    best = {feature.name: feature.alternatives[0] for feature in FEATURES}
    if not has_kprobes():
        best |= {NAT.name: TIMED, CONNECTIONS.name: MESSAGES}
    assert hooks == best | ({NAT.name: KPROBES} if has_kprobes() else {})


def test_programs_of_processes_come_when_one_is_found() -> None:
    """The start does not wait for them."""
    later = {hook.program for hook in TLS.hooks if hook.later}
    loads = [sys.executable, "-c", "import ssl, sys; sys.stdin.read()"]
    probe = Probes(tls="auto")
    with subprocess.Popen(loads, stdin=subprocess.PIPE) as process:
        try:
            probe.start()
            assert probe.loaded.later >= later
            assert until(lambda: later <= probe.programs.keys(), COMPILE_SECONDS)
        finally:
            process.kill()
            probe.close()
    assert {taken.feature.name for taken in probe.taken if taken.hook} >= {LIBRARIES.name}


def test_what_is_off_is_not_in_the_kernel() -> None:
    """Neither its programs nor its maps are loaded; its features say which key switches them off."""
    config = Config(
        tcp=TcpConfig(256, 1 << 16), nat=NatConfig("off"), process=ProcessConfig(executions="off")
    )
    probes = AttachedProbes(select(config))
    probes.start()
    try:
        programs, kernel = set(probes.programs), map_memory(held_by(os.getpid())["map"])
        refused = {entry.feature.name: entry.refused for entry in probes.taken}
    finally:
        probes.close()
    off = {hook.program for probe in (CONNTRACK, PROCESS) for hook in probe.hooks}
    assert programs & off == set()
    assert "entering" not in kernel
    assert set(refused[EXECUTIONS.name].values()) == {"process.executions is off"}
    assert set(refused[NAT.name].values()) == {"nat.source is off"}


def test_neither_tracefs_nor_bpffs_is_needed() -> None:
    """The probe starts with all its hooks in a mount namespace where neither is mounted."""
    script = (
        "import pathlib, sys\n"
        "assert not {'tracefs', 'bpf', 'debugfs'} & {l.split()[2] for l in open('/proc/self/mounts')}\n"
        "from tests.kernel.started import Probes\n"
        "probe = Probes(every=True); probe.start()\n"
        "print(*(taken.hook is not None for taken in probe.taken)); probe.close()\n"
    )
    shell = (
        'for d in $(awk \'$3=="tracefs"||$3=="bpf"||$3=="debugfs"{print $2}\' /proc/self/mounts | tac); '
        'do umount -l "$d"; done; exec "$0" -c "$1"'
    )
    command = ["unshare", "--mount", "sh", "-c", shell, sys.executable, script]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (tried.stderr, tried.stdout.split()) == ("", ["True"] * len(FEATURES))


@pytest.mark.skipif(version_numbers(os.uname().release) < (6, 4, 0), reason="the kernel's count is rough")
@pytest.mark.parametrize(("slots", "ring_bytes"), [(256, 1 << 16), (5000, 1 << 20)])
def test_map_memory_is_as_computed(slots: int, ring_bytes: int) -> None:
    """The kernel's own figure for each map differs by its descriptor only: less than two pages."""
    before = held_by(os.getpid())["map"]
    probe = Probes(slots, ring_bytes, every=True)
    probe.start(whole=True)
    said = map_memory(held_by(os.getpid())["map"] - before)
    probe.close()
    sources = "\n".join(map(read_sources, probe.selection.wanted))
    computed = {
        name[:15]: size for name, size in map_bytes(sources, probe.selection.defines).items()
    }  # as it names them
    assert computed.keys() - said.keys() <= {"udp_latest"}  # of kernels before Linux 6.11
    both = computed.keys() & said.keys()
    differences = {name: said[name] - computed[name] for name in both}
    assert {name: size for name, size in differences.items() if size not in ROUNDING} == {}
    assert sum(said[name] for name in set(said) - set(computed)) < 16384
