"""A virtual machine with a stock kernel over this machine's root file system, which it cannot change."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.vm.compiling import answered
from tests.vm.results import Result, read_results

ROOT: Final = Path(__file__).parents[2]
GUEST: Final = Path(__file__).with_name("guest.sh")
#: What the machine needs beside the tests in it: to boot, and to end.
BOOT_SECONDS: Final = 200
#: What tests in the guest are given of the host's environment: how much traffic they make.
PASSED_ON: Final = ("REUSE_COUNT",)
#: The kernel's parameters. What protects it only slows the emulator down, and so does a fifth level of pages. The
#: clock is the processor's, which the kernel distrusts here: a look at any other leaves the emulated code, and a
#: Python that imports asyncio takes 9.9 s of processor time instead of 1.7 s.
QUICKER: Final = "mitigations=off nosmap nosmep no5lvl tsc=reliable clocksource=tsc"
#: Names another kernel image than that of the distribution.
KERNEL: Final = "VM_KERNEL"


@dataclass(frozen=True)
class Pace:
    """How long the tests in the guest may take.

    :param seconds: all of them together, and ``test_seconds`` each.
    :param slowness: how much slower than the host the guest is: its tests multiply their own deadlines by it.
    :param niceness: of the emulator: what runs on the host at the same time goes first.
    """

    seconds: int
    test_seconds: int
    slowness: int
    niceness: int

    @property
    def machine_seconds(self) -> int:
        """How long the machine as a whole may take."""
        return self.seconds + BOOT_SECONDS


ALONE: Final = Pace(seconds=2000, test_seconds=900, slowness=20, niceness=0)
BESIDE_OTHERS: Final = Pace(seconds=3000, test_seconds=1500, slowness=40, niceness=15)


@dataclass(frozen=True)
class Run:
    """What came of one boot: the guest's kernel, its tests, and all that was printed."""

    kernel: str
    results: Sequence[Result]
    output: str


class Machine:
    """One that is running: :func:`booted` starts and ends it.

    :param results: the folder that the guest writes to: ``output`` is what pytest prints there.
    """

    def __init__(self, process: subprocess.Popen[bytes], results: Path, pace: Pace) -> None:
        self._process = process
        self._started = time.monotonic()
        self._pace = pace
        self.results = results
        #: How long somebody waited for its end; None if nobody did.
        self.waited_seconds: float | None = None

    def run(self) -> Run:
        """Wait for its end, which comes in time, and say what came of it."""
        began = time.monotonic()
        console = self._end()
        self.waited_seconds = time.monotonic() - began
        output = f"{_text(self.results / 'output')}\n{console}"
        return Run(_text(self.results / "kernel").strip(), read_results(self.results / "junit.xml"), output)

    def _end(self) -> str:
        left = self._started + self._pace.machine_seconds - time.monotonic()
        try:
            self._process.wait(max(0.0, left))
        except subprocess.TimeoutExpired:
            return f"the machine did not end in {self._pace.machine_seconds} s"
        return _text(self.results.parent / "console")


def find_kernel() -> Path | None:
    """The image that the package linux-image-amd64 stands for."""
    if chosen := os.environ.get(KERNEL):
        return Path(chosen)
    query = ["dpkg-query", "-W", "-f", "${Depends}", "linux-image-amd64"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except OSError:  # no Debian
        return None
    found = re.search(r"linux-image-(\S+)", said)
    return Path(f"/boot/vmlinuz-{found[1]}") if found else None


def reason_to_skip() -> str:
    """Why no machine can be booted here; empty if one can."""
    if os.uname().machine != "x86_64":
        return f"no stock kernel for {os.uname().machine} is set up"
    if os.geteuid() != 0:
        return "needs root, as whom the guest reads the root file system"
    lacking = [name for name in ("vng", "qemu-system-x86_64") if not shutil.which(name, path=_search_path())]
    if lacking:
        return f"no {' and no '.join(lacking)}: make setup"
    kernel = find_kernel()
    if not kernel or not kernel.exists():
        return "no package linux-image-amd64: make setup"
    return ""


def _search_path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


def _command(kernel: Path, root: Path, results: Path, pace: Pace) -> list[str]:
    """Emulated, for the host may not virtualize."""
    limits = [str(pace.seconds), str(pace.test_seconds), str(pace.slowness)]
    guest = ["sh", str(GUEST), str(root), str(results), str(ROOT), *limits]
    return [
        *("vng", "--disable-kvm", "--disable-microvm", "--force-9p", "--run", str(kernel)),
        *("--cpus", "2", "--memory", "3G", "--append", QUICKER),
        *("--rodir", f"{root}=/", "--rwdir", str(results), "--", *guest),
    ]


@contextlib.contextmanager
def booted(folder: Path, arguments: Sequence[str], pace: Pace) -> Iterator[Machine]:
    """A machine that boots, runs pytest with these arguments, and ends; at the latest when the block does.

    :param folder: empty, below a folder that the guest sees too (/tmp).
    """
    kernel = find_kernel()
    assert kernel, reason_to_skip()
    root, results = folder / "root", folder / "results"
    root.mkdir()
    results.mkdir()
    _pack_headers(kernel, results / "headers.tar")
    # Not on the command line, which becomes part of the kernel's: of more than 2,048 characters x86 drops the end.
    (results / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    passed_on = (f"{name}={os.environ[name]}\n" for name in PASSED_ON if name in os.environ)
    (results / "environment").write_text("".join(passed_on))
    with (
        answered(results / "compile"),
        kept(_command(kernel, root, results, pace), folder / "console", pace.niceness) as process,
    ):
        yield Machine(process, results, pace)


def _pack_headers(kernel: Path, archive: Path) -> None:
    """The headers of a kernel, as far as a compiler reads them, from /usr/src."""
    modules = Path("/lib/modules", kernel.name.removeprefix("vmlinuz-"))
    trees = sorted({(modules / name).resolve() for name in ("build", "source")})
    folders = [tree / name for tree in trees for name in ("include", "arch/x86/include")]
    names = [str(folder.relative_to("/usr/src")) for folder in folders if folder.exists()]
    subprocess.run(["tar", "-C", "/usr/src", "-cf", archive, *names], check=True)


@contextlib.contextmanager
def kept(command: Sequence[str], console: Path, niceness: int) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a PID namespace of its own: all that it started ends when the block or this process does.

    The first process dies with its parent, and with it the namespace's first, which takes all others along.
    """
    alone = ["nice", "-n", str(niceness), "setpriv", "--pdeathsig", "KILL"]
    alone += ["unshare", "--pid", "--fork", "--kill-child"]
    with console.open("wb") as output:
        process = subprocess.Popen(
            [*alone, *command],
            env=os.environ | {"PATH": _search_path()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with contextlib.suppress(
            FileNotFoundError
        ):  # a kernel with groups compares those of sessions, see sched(7)
            Path(f"/proc/{process.pid}/autogroup").write_text(str(niceness))
        yield process
    finally:
        process.kill()
        process.wait()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
