"""The right to ask Docker who its containers are."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.doctor.names import check_docker
from enrichers.docker.config import DockerConfig
from tests.unit.engine.doctor.test_units import unit_of

#: A group of Debian with the number 1, and a user who is not in it.
GROUP, USER = "daemon", "nobody"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A socket at which nobody answers."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        yield path


def test_without_docker_nothing_is_wrong(tmp_path: Path) -> None:
    """Nor where it is not to be asked."""
    away = tmp_path / "docker.sock"
    check = check_docker(DockerConfig(url=f"unix://{away}"), unit_of())
    assert (check.status, check.detail) == ("not needed", f"there is no {away}")
    assert check_docker(DockerConfig(enabled="off"), None).status == "not needed"


def test_a_daemon_that_does_not_answer_is_told(path: Path) -> None:
    """With what it costs; rows go on."""
    check = check_docker(DockerConfig(url=f"unix://{path}"), None)
    assert (check.status, check.fatal, "docker.url" in check.remedy) == ("degraded", False, True)
    assert check.detail == f"no answer at unix://{path} (Connection refused)"
    assert "id only" in check.cost


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives a socket to a group")
def test_the_units_user_has_to_be_of_the_sockets_group(path: Path) -> None:
    """The line that lets it in does; then the daemon is asked."""
    os.chown(path, 0, 1)
    path.chmod(0o660)
    config = DockerConfig(url=f"unix://{path}")
    check = check_docker(config, unit_of(User=USER))
    assert (check.status, check.detail) == ("degraded", f"user {USER} may not use {path}")
    assert check.remedy == f"systemctl edit tailrace: SupplementaryGroups={GROUP}"
    for given in (GROUP, "1"):
        check = check_docker(config, unit_of(User=USER, SupplementaryGroups=given))
        assert check.detail.startswith("no answer")
