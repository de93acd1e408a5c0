"""A virtual machine with a stock kernel over this machine's root file system, which it cannot change."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.vm.results import Result, read_results

ROOT: Final = Path(__file__).parents[2]
GUEST: Final = Path(__file__).with_name("guest.sh")
#: How long the tests in the guest, and then the machine as a whole, may take.
GUEST_SECONDS: Final = 1500
MACHINE_SECONDS: Final = GUEST_SECONDS + 200
#: What tests in the guest are given of the host's environment: how much traffic they make.
PASSED_ON: Final = ("REUSE_COUNT",)
#: Names another kernel image than that of the distribution.
KERNEL: Final = "VM_KERNEL"


@dataclass(frozen=True)
class Run:
    """What came of one boot: the guest's kernel, its tests, and all that was printed."""

    kernel: str
    results: Sequence[Result]
    output: str


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


def _command(kernel: Path, root: Path, results: Path) -> list[str]:
    """Emulated, for the host may not virtualize; without the mitigations of leaks, which only slow that down."""
    guest = ["sh", str(GUEST), str(root), str(results), str(ROOT), str(GUEST_SECONDS)]
    return [
        *("vng", "--disable-kvm", "--disable-microvm", "--force-9p", "--run", str(kernel)),
        *("--cpus", "2", "--memory", "3G", "--append", "mitigations=off"),
        *("--rodir", f"{root}=/", "--rwdir", str(results), "--", *guest),
    ]


def run_guest(folder: Path, arguments: Sequence[str]) -> Run:
    """Boots once and runs pytest with these arguments; no process is left, however it ends.

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
    printed = _run(_command(kernel, root, results))
    said = [_text(results / "output"), printed]
    return Run(_text(results / "kernel").strip(), read_results(results / "junit.xml"), "\n".join(said))


def _pack_headers(kernel: Path, archive: Path) -> None:
    """The headers of a kernel, as far as a compiler reads them, from /usr/src."""
    modules = Path("/lib/modules", kernel.name.removeprefix("vmlinuz-"))
    trees = sorted({(modules / name).resolve() for name in ("build", "source")})
    folders = [tree / name for tree in trees for name in ("include", "arch/x86/include")]
    names = [str(folder.relative_to("/usr/src")) for folder in folders if folder.exists()]
    subprocess.run(["tar", "-C", "/usr/src", "-cf", archive, *names], check=True)


def _run(command: Sequence[str]) -> str:
    environment = os.environ | {"PATH": _search_path()}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=MACHINE_SECONDS)[0]
        except subprocess.TimeoutExpired:
            return f"the machine did not end in {MACHINE_SECONDS} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
