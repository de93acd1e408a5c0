"""Tailrace's units as systemd knows them: whether they are installed, enabled and active, and as whom they run."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from probes.checks.check import Check
from probes.checks.privileges import CAPABILITIES, read_from

Role = Literal["run", "agent", "engine"]

#: The unit of each role.
UNITS: Final[dict[Role, str]] = {"run": "tailrace", "agent": "tailrace-agent", "engine": "tailrace-engine"}

#: There as long as systemd is the service manager (sd_booted(3)).
BOOTED: Final = Path("/run/systemd/system")
_CGROUP: Final = Path("/proc/self/cgroup")
#: Folders that systemd makes for a unit (systemd.exec(5)), by the property that names them.
_FOLDERS: Final = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
}
_PROPERTIES: Final = (
    "Id LoadState UnitFileState ActiveState Result NRestarts ActiveEnterTimestamp "
    "MainPID ExecMainStatus User SupplementaryGroups AmbientCapabilities CapabilityBoundingSet NeedDaemonReload "
    f"ExecStart ProtectSystem ReadWritePaths {' '.join(_FOLDERS)}"
).split()
#: Seconds that systemd has to answer.
_SECONDS: Final = 10
_CONFIG: Final = re.compile(r"argv\[\]=[^;]*--config[ =](\S+)")


@dataclass(frozen=True)
class Unit:
    """One of them.

    :param properties: as ``systemctl show`` has them.
    """

    role: Role
    properties: dict[str, str]

    @property
    def name(self) -> str:
        """Without ``.service``."""
        return UNITS[self.role]

    @property
    def installed(self) -> bool:
        """Whether there is such a unit."""
        return self.properties.get("LoadState") == "loaded"

    @property
    def wanted(self) -> bool:
        """Whether it is to run here: enabled, or not at rest."""
        at_rest = self.properties.get("ActiveState") in ("inactive", "")
        return self.installed and (self.enabled or not at_rest)

    @property
    def enabled(self) -> bool:
        """Whether it starts with the machine."""
        return self.properties.get("UnitFileState", "").startswith("enabled")

    @property
    def active(self) -> bool:
        """Whether it runs, and is ready."""
        return self.properties.get("ActiveState") in ("active", "reloading")

    @property
    def user(self) -> str:
        """As whom it runs."""
        return self.properties.get("User") or "root"

    @property
    def config(self) -> Path | None:
        """The configuration that it reads."""
        found = _CONFIG.search(self.properties.get("ExecStart", ""))
        return Path(found[1]) if found else None

    def capabilities(self) -> frozenset[str]:
        """Those of ``CAPABILITIES`` that its process has, or will have."""
        status = Path(f"/proc/{self.properties.get('MainPID') or '0'}/status")
        try:
            return read_from(status.read_text())
        except (OSError, StopIteration):
            bounds = _names(self.properties.get("CapabilityBoundingSet", ""))
            return bounds if self.user == "root" else bounds & _names(self.properties["AmbientCapabilities"])

    def may_change(self, path: Path) -> bool:
        """Whether its sandbox lets it write there (systemd.exec(5): ProtectSystem)."""
        return self.properties.get("ProtectSystem") != "strict" or self.owns(path) or self._opened(path)

    def owns(self, path: Path) -> bool:
        """Whether that lies in a folder that systemd makes for it, with the right to write."""
        folders = [
            Path(root, name)
            for each, root in _FOLDERS.items()
            for name in self.properties.get(each, "").split()
        ]
        return any(path.is_relative_to(folder) for folder in folders)

    def _opened(self, path: Path) -> bool:
        given = [text.lstrip("-+") for text in self.properties.get("ReadWritePaths", "").split()]
        return any(
            path.is_relative_to(folder) for folder in (*given, "/dev", "/proc", "/sys", "/tmp", "/var/tmp")
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(text.upper().split()) & CAPABILITIES


def find_units() -> list[Unit]:
    """All three; none where systemd is not the service manager, or does not answer."""
    if not BOOTED.exists() or not shutil.which("systemctl"):
        return []
    names = [f"{name}.service" for name in UNITS.values()]
    command = ["systemctl", "show", "-p", ",".join(_PROPERTIES), *names]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    blocks = shown.strip().split("\n\n")
    return [Unit(role, _parsed(block)) for role, block in zip(UNITS, blocks, strict=True)]


def _parsed(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def own_unit(units: Sequence[Unit], cgroup: str | None = None) -> Unit | None:
    """The unit that this process is a part of."""
    lines = (_CGROUP.read_text() if cgroup is None else cgroup).splitlines()
    parts = {part for line in lines for part in line.rpartition(":")[2].split("/")}
    return next((unit for unit in units if f"{unit.name}.service" in parts), None)


def check_unit(unit: Unit, *, inside: bool = False, examined: bool = True) -> Check:
    """How it is.

    :param inside: whether this process is a part of it, which may be about to start.
    :param examined: whether it is the one in question; another that does not run is no failure.
    """
    name, shown = f"{unit.name}.service", unit.properties
    if not unit.installed:
        return Check(name, "not needed", _absent(shown))
    found = f"{shown.get('UnitFileState') or 'unknown'}, {_state(unit)}"
    if not unit.wanted:
        return Check(
            name, "not needed", found, remedy=f"sudo systemctl enable --now {unit.name}, to have it run"
        )
    if not unit.active and not inside:
        failed = shown.get("ActiveState") in ("failed", "activating")
        remedy = f"journalctl -u {unit.name} -e says why" if failed else f"sudo systemctl start {unit.name}"
        return Check(name, "missing", found, "it reports nothing", remedy, required=examined)
    return _of_active(unit, name, found)


def _of_active(unit: Unit, name: str, found: str) -> Check:
    shown = unit.properties
    if shown.get("NeedDaemonReload") == "yes":
        cost = "it runs with files that have changed since"
        remedy = f"sudo systemctl daemon-reload && sudo systemctl restart {unit.name}"
        return Check(name, "degraded", found, cost, remedy)
    if int(shown.get("NRestarts") or 0):
        return Check(
            name, "degraded", found, "what ended it can come again", f"journalctl -u {unit.name} -e says what"
        )
    if not unit.enabled:
        return Check(
            name,
            "degraded",
            found,
            "it does not start with the machine",
            f"sudo systemctl enable {unit.name}",
        )
    return Check(name, "ok", found)


def _absent(shown: dict[str, str]) -> str:
    state = shown.get("LoadState", "")
    return "masked" if state == "masked" else "not installed"


def _state(unit: Unit) -> str:
    shown = unit.properties
    parts = [shown.get("ActiveState", "")]
    if unit.active and shown.get("ActiveEnterTimestamp"):
        parts[0] += f" since {shown['ActiveEnterTimestamp']}"
    restarts = int(shown.get("NRestarts") or 0)
    parts += [f"{restarts} restart{'s' if restarts > 1 else ''}"] if restarts else []
    if (result := shown.get("Result", "success")) != "success":
        parts.append(f"last result {result} (exit status {shown.get('ExecMainStatus', '?')})")
    return ", ".join(parts)
