"""Folders that are written to, and clocks."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import AgentConfig, Config, SinkConfig
from engine.doctor.clock import FAR_NS, check_clocks, check_own_clock
from engine.doctor.cluster import age
from engine.doctor.disk import Place, check_place, places
from engine.nats.heartbeats import Heartbeat, StoredHeartbeat
from engine.plugins.sinks import make_sinks
from tests.full_disk import small_disk
from tests.unit.engine.doctor.test_units import unit_of


def test_what_is_written_to_is_known_of_each_role(tmp_path: Path) -> None:
    """Files of sinks, the spool, the cache, and the unit's own folder."""
    wanted = [SinkConfig("jsonl", {"path": str(tmp_path / "rows")}), SinkConfig("console")]
    sinks = make_sinks(wanted, "flows")
    config = Config(agent=AgentConfig(spool_path="/var/lib/tailrace/spool"))
    found = {place.name: place.path for place in places(config, "agent", sinks, unit_of("agent"))}
    assert found == {
        "rows of jsonl": tmp_path / "rows",
        "spool": Path("/var/lib/tailrace/spool"),
        "header cache": Path("/var/cache/tailrace"),
        "state": Path("/var/lib/tailrace"),
    }
    engine = {place.name for place in places(config, "engine", sinks, None)}
    assert engine == {"rows of jsonl"}


def test_room_is_that_of_the_file_system_of_the_path(tmp_path: Path) -> None:
    """Also of a file that is still to be made, in folders that are."""
    check = check_place(Place("rows", tmp_path / "new/folder/rows.jsonl"), None)
    assert (check.status, "are free" in check.detail) == ("ok", True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    with small_disk(tmp_path / "disk", 8 << 20) as folder:
        yield folder


def test_a_disk_that_fills_is_told_before_it_is_full(disk: Path) -> None:
    """And after."""
    place = Place("rows", disk / "rows")
    assert check_place(place, None).status == "ok"
    with (disk / "filling").open("wb") as file:
        file.write(bytes(8_100_000))
    short = check_place(place, None)
    assert (short.status, short.remedy) == ("degraded", f"make room on the file system of {disk}")
    with (disk / "more").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            full = check_place(place, None)
    assert (full.status, full.fatal) == ("missing", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it looks at folders of other users")
def test_a_folder_that_the_units_user_may_not_write_to_is_told(tmp_path: Path) -> None:
    """Where its sandbox would let it: as root nobody would notice."""
    place = Place("rows", tmp_path / "rows")
    tmp_path.chmod(0o755)
    unit = unit_of(User="daemon", ProtectSystem="no")
    check = check_place(place, unit)
    assert (check.status, check.fatal) == ("missing", True)
    assert check.detail == f"{tmp_path} is not to be written to by user daemon"
    tmp_path.chmod(0o777)
    assert check_place(place, unit).status == "ok"


def test_the_sandbox_goes_before_the_mode() -> None:
    """What systemd makes for the unit, and what it was given, may be written to; nothing else."""
    for path, status in (("/var/log/tailrace/x", "ok"), ("/opt/rows/x", "missing"), ("/srv/rows/x", "ok")):
        check = check_place(Place("rows", Path(path)), unit_of(ReadWritePaths="-/srv/rows", User="root"))
        assert check.status == status, path


def _timex(status: int, max_error_us: int) -> bytes:
    return struct.pack("=I4xqqqqi", 0, 0, 0, max_error_us, 0, status) + bytes(200)


def test_a_clock_that_is_kept_in_step_says_how_well() -> None:
    assert check_own_clock(_timex(0, 4500)).detail == "in step, to about 4.5ms"


def test_a_clock_that_nobody_keeps_is_told() -> None:
    check = check_own_clock(_timex(0x40, 16_000_000))
    assert (check.status, "chrony" in check.remedy) == ("degraded", True)


def test_where_nobody_may_ask_that_is_said() -> None:
    """In a sandbox with ProtectClock=."""
    assert check_own_clock(OSError(1, "Operation not permitted")).status == "not needed"
    assert check_own_clock().status in ("ok", "degraded", "not needed")


def _beat(node: str, difference_ns: int) -> StoredHeartbeat:
    beat = Heartbeat(1, "heartbeat", node, "boot", "0.1.0", 1, 10**18, 1.0, 1)
    return StoredHeartbeat(beat, 10**18 + difference_ns)


def test_clocks_are_compared_with_the_middle_one() -> None:
    """One that is behind stored its heartbeats late; a server that is off itself says nothing of nodes."""
    off = 60 * 10**9
    behind = off + FAR_NS + 10**8
    checks = check_clocks([_beat("a", off), _beat("b", off), _beat("behind", behind)])
    assert [check.status for check in checks] == ["ok", "degraded"]
    assert checks[1].detail == "300ms behind the others"
    assert check_clocks([_beat("alone", behind)]) == []


def test_versions_are_compared_by_their_numbers() -> None:
    assert [age(version) for version in ("0.0.9", "0.10.0", "1", "0.1.0+later", "?")] == [
        "older",
        "newer",
        "newer",
        "other",
        "other",
    ]
