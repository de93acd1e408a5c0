"""A service manager that listens."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def manager_socket(tmp_path: Path) -> Iterator[socket.socket]:
    """Where it does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening
