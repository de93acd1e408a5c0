"""What a unit tells the service manager, read from a socket as systemd has it."""

import os
import socket
from pathlib import Path

import pytest

from engine.service.notify import ServiceManager


def test_each_call_is_one_datagram(manager_socket: socket.socket) -> None:
    """Readiness comes with a status; a reload with the time at which it began, which systemd compares."""
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname()})
    manager.ready("5 rows/s")
    manager.alive()
    manager.reloading()
    manager.stopping()
    said = [manager_socket.recv(1000).decode().split("\n") for _ in range(4)]
    assert said[:2] == [["READY=1", "STATUS=5 rows/s"], ["WATCHDOG=1"]]
    assert said[2][0] == "RELOADING=1"
    assert int(said[2][1].removeprefix("MONOTONIC_USEC=")) > 0
    assert said[3][0] == "STOPPING=1"


def test_an_abstract_address_is_found() -> None:
    """systemd writes the null byte of an abstract socket as ``@``."""
    name = f"tailrace-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(10)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).status("here")
        assert listening.recv(100) == b"STATUS=here"


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    """Neither without a service manager, nor with one that went away."""
    assert not ServiceManager({}).listens
    ServiceManager({}).ready("")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("")


@pytest.mark.parametrize(
    ("pid", "seconds"),
    [(None, 3.0), (os.getpid(), 3.0), (os.getpid() + 1, 0.0)],
    ids=["any", "ours", "other"],
)
def test_the_watchdog_of_another_process_is_not_ours(pid: int | None, seconds: float) -> None:
    """A child inherits the environment, and must not feed the watchdog of its parent."""
    environment = {"WATCHDOG_USEC": "3000000"} | ({} if pid is None else {"WATCHDOG_PID": str(pid)})
    assert ServiceManager(environment).watchdog_seconds == seconds
