"""The folders that are written to: whether they may be, and whether there is room."""

import grp
import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config import Config
from engine.doctor.units import Role, Unit
from model.sink import paths_of
from model.text.units import bytes_text
from probes.checks.check import Check
from probes.kernel.headers import cache_root
from sinks.configured import ConfiguredSink

#: Room is short below so many bytes, or below that share of the file system, whichever is less.
SHORT_BYTES: Final = 1_000_000_000
SHORT_SHARE: Final = 0.05


@dataclass(frozen=True)
class Place:
    """Something that is written to.

    :param name: what it is, for people.
    """

    name: str
    path: Path


def places(
    config: Config, role: Role, sinks: Mapping[str, ConfiguredSink], unit: Unit | None
) -> Iterator[Place]:
    """Files of sinks, the spool of an agent, the headers' cache, and the state of the unit."""
    for name, each in sinks.items():
        for path in paths_of(each.sink):
            yield Place(f"rows of {name}", Path(os.path.abspath(path)))  # noqa: PTH100 - keeps links
    if role == "agent" and config.agent.spool_path:
        yield Place("spool", Path(config.agent.spool_path))
    if role != "engine":
        yield Place("header cache", Path("/var/cache/tailrace") if unit else cache_root())
    if unit:
        yield Place("state", Path("/var/lib", unit.properties.get("StateDirectory") or unit.name))


def check_place(place: Place, unit: Unit | None) -> Check:
    """Whether it may be written to, by the unit if there is one, else by this process; and the room."""
    name = f"{place.name} ({place.path})"
    if reason := _refusal(place.path, unit):
        who = f"user {unit.user}" if unit else "this user"
        fix = (
            f"systemctl edit {unit.name}: ReadWritePaths={place.path.parent}"
            if reason == _SANDBOX and unit
            else ""
        )
        remedy = fix or f"choose another path, or let {who} write to {_there(place.path)}"
        return Check(name, "missing", reason, "nothing is written there", remedy, required=True)
    return _check_room(name, place.path)


_SANDBOX: Final = "outside of what its unit may write to"


def _refusal(path: Path, unit: Unit | None) -> str:
    """Why it may not be written to; empty if it may."""
    there = _there(path)
    if unit is None:
        return "" if may_write(there, None) else f"{there} is not to be written to by this user"
    if not unit.may_change(path):
        return _SANDBOX
    if unit.owns(path) or may_write(there, unit):
        return ""
    return f"{there} is not to be written to by user {unit.user}"


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def may_write(path: Path, unit: Unit | None) -> bool:
    """Whether the mode of a file or folder lets a unit's user write to it, or this process if there is none.

    Access lists are read for this process only.
    """
    if unit is None:
        return os.access(path, os.W_OK)
    try:
        who = pwd.getpwnam(unit.user)
    except KeyError:
        return True  # made at the start of the unit
    if who.pw_uid == 0:
        return True
    names = unit.properties.get("SupplementaryGroups", "").split()
    groups = {group.gr_gid for group in grp.getgrall() if unit.user in group.gr_mem or group.gr_name in names}
    groups |= {who.pw_gid, *(int(name) for name in names if name.isdecimal())}
    status = path.stat()
    shift = 6 if status.st_uid == who.pw_uid else 3 if status.st_gid in groups else 0
    return bool(status.st_mode >> shift & 0o2)


def _check_room(name: str, path: Path) -> Check:
    there = _there(path)
    status = os.statvfs(there)
    free, whole = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    found = f"{bytes_text(free)} of {bytes_text(whole)} are free"
    remedy = f"make room on the file system of {there}"
    if status.f_files and not status.f_favail:
        return Check(
            name, "missing", "no file can be made: no inode is free", "rows are lost", remedy, required=True
        )
    if not whole:
        return Check(name, "ok", "its file system does not say how much room it has")
    if free == 0:
        return Check(name, "missing", found, "rows are lost (disk_full)", remedy, required=True)
    if free < min(SHORT_BYTES, SHORT_SHARE * whole):
        return Check(name, "degraded", found, "rows are lost once it is full (disk_full)", remedy)
    return Check(name, "ok", found)
