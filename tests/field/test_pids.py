"""The kind: a pid that several processes have one after the other within a moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.beds.flows import Row
from tests.beds.watch import DEADLINE_SECONDS, Watch
from tests.field.services import listener

pytestmark = pytest.mark.kernel

#: Each is a copy of the shell under a name of its own.
NAMES = ("first", "second", "third", "fourth")
ROUNDS = 5

#: clone3(2) with ``set_tid``: each program in turn gets the number, connects, and is gone. The next one is
#: taken if somebody has it; behind the largest that there may be come the first that no program of the system has.
REUSE = f"""
import ctypes, errno, os, signal, struct, sys
port, folder, names = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
libc = ctypes.CDLL(None, use_errno=True)
connect = f"exec 3<>/dev/tcp/127.0.0.1/{{port}}; echo hello >&3; read line <&3"

def fork(number):
    chosen = ctypes.c_int(number)
    fields = [0] * 11
    fields[4], fields[8], fields[9] = signal.SIGCHLD, ctypes.addressof(chosen), 1
    return libc.syscall(435, struct.pack("11Q", *fields), 88)

least, most = 300, int(open("/proc/sys/kernel/pid_max").read())
number = least + (os.getpid() + 5000 - least) % (most - least)
for name in names * {ROUNDS}:
    while (pid := fork(number)) < 0:
        assert ctypes.get_errno() == errno.EEXIST, os.strerror(ctypes.get_errno())
        number = least + (number + 1 - least) % (most - least)
    if not pid:
        os.execv(f"{{folder}}/{{name}}", [name, "-c", connect])
    assert os.waitpid(pid, 0) == (number, 0)
"""


def test_each_process_of_one_pid_has_its_own_executable(tmp_path: Path) -> None:
    """Four programs use one pid five times each, all of it within a second or so: each connection has its own."""
    for name in NAMES:
        (tmp_path / name).write_bytes(Path("/bin/bash").read_bytes())
        (tmp_path / name).chmod(0o755)
    with Watch.started(tmp_path / "rows.jsonl") as watch, listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        command = [sys.executable, "-c", REUSE, str(port), str(tmp_path), ",".join(NAMES)]
        with subprocess.Popen(command) as reusing:
            ports = []
            for _ in range(ROUNDS * len(NAMES)):
                accepted, (_, peer) = listening.accept()
                with accepted:
                    assert accepted.recv(6) == b"hello\n"
                    accepted.sendall(b"bye\n")
                ports.append(peer)
            assert reusing.wait(DEADLINE_SECONDS) == 0
        rows = [row for row in watch.rows() if row["kind"] == "flow" and row["service.port"] == port]
    last = {row["client.port"]: row for row in rows}
    assert [_names(last[peer]) for peer in ports] == [(name, name) for name in NAMES] * ROUNDS
    assert len({row["client.process.pid"] for row in last.values()}) < ROUNDS * len(NAMES)


def _names(row: Row) -> tuple[str, str]:
    """The process's name, and its executable's."""
    return row["client.process.comm"], row.get("client.entity", {}).get("process.executable.name", "")
