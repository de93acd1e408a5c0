"""Who names containers: whether Docker's daemon may be asked by the unit, or by this process, and answers."""

import asyncio
import grp
import os
from pathlib import Path
from typing import Any, Final

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiohttp import ClientError, ClientTimeout

from engine.doctor.disk import may_write
from engine.doctor.units import Unit
from enrichers.docker.config import DockerConfig
from probes.checks.check import Check

_NAME: Final = "Docker"
_COST: Final = "containers have their id only: no name, no image, no labels"
#: Time that the daemon has to answer.
_TIMEOUT: Final = ClientTimeout(total=2)
_UNIX: Final = "unix://"


def check_docker(config: DockerConfig, unit: Unit | None) -> Check:
    """Whether containers get their names.

    :param unit: that is to have the right; None: this process.
    """
    if config.enabled == "off":
        return Check(_NAME, "not needed", "docker.enabled is off")
    path = Path(config.url.removeprefix(_UNIX)) if config.url.startswith(_UNIX) else None
    if path and not os.path.exists(path):  # noqa: PTH110 - no error where a folder may not be entered
        return Check(_NAME, "not needed", f"there is no {path}")
    if path and not may_write(path, unit):
        return _refused(path, unit)
    try:
        version = asyncio.run(_version(config.url))
    except (DockerError, ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
        cause = _cause(error)
        if unit and isinstance(cause, PermissionError):
            return Check(_NAME, "ok", f"user {unit.user} may use {path}; this user may not, and did not ask")
        remedy = "start Docker, or correct docker.url; docker.enabled: off if there is to be none"
        return Check(
            _NAME,
            "degraded",
            f"no answer at {config.url} ({getattr(cause, 'strerror', '') or cause})",
            _COST,
            remedy,
        )
    return Check(_NAME, "ok", f"version {version} answers at {config.url}")


def _refused(path: Path, unit: Unit | None) -> Check:
    group = _group_of(path)
    if unit:
        remedy = f"systemctl edit {unit.name}: SupplementaryGroups={group}"
        return Check(_NAME, "degraded", f"user {unit.user} may not use {path}", _COST, remedy)
    remedy = f"run as root, or as a user of group {group}"
    return Check(_NAME, "degraded", f"this user may not use {path}", _COST, remedy)


def _group_of(path: Path) -> str:
    """The name of a file's group, or its number if it has none."""
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


async def _version(url: str) -> str:
    async with Docker(url, timeout=_TIMEOUT) as docker:
        answer: dict[str, Any] = await docker.version()
    return str(answer["Version"])


def _cause(error: Exception) -> BaseException:
    """What the machine said, where the libraries wrapped that."""
    wrapped = error.__cause__ or error.__context__ or error
    return getattr(wrapped, "os_error", wrapped)
