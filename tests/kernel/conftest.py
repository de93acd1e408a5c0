"""What several files of kernel tests start with."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.loopback import Seen, listening
from tests.kernel.started import Probes

TAILRACE = str(Path(sys.executable).parent / "tailrace")


@pytest.fixture
def seen(probe: Probes) -> Seen:
    """What the probe of the file gave since the test began."""
    probe.events()
    return Seen(probe)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener on the loopback."""
    with listening() as made:
        yield made


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts ``tailrace ARGUMENT...``; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start_one(*arguments: str, **settings: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [TAILRACE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
        )
        running.append(process)
        return process

    yield start_one
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
