"""What is examined: the role, the unit of it, and the configuration that it runs with."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config import PREFIX, Config, load_config
from engine.doctor.units import Role, Unit, find_units, own_unit
from model.errors import TailraceError
from probes.checks.check import Check

#: Variables of all units.
ENVIRONMENT: Final = Path("/etc/tailrace/environment")
_NAME: Final = "configuration"


@dataclass(frozen=True)
class Subject:
    """What is examined.

    :param unit: of the role, if it is to run here.
    :param inside: whether this process is a part of it.
    :param found: how the configuration was read.
    """

    role: Role
    config: Config
    units: Sequence[Unit]
    unit: Unit | None
    inside: bool
    found: Check


def subject_of(config: Config, given: Path | None, role: Role | None) -> Subject:
    """Choose the unit and read its configuration, unless one was given.

    :param config: of the command line and the environment.
    :param given: the file that it was read from.
    :param role: that was asked for; None: that of the unit that this runs in, else of the first that is to run here.
    """
    units = find_units()
    own = own_unit(units)
    unit = _chosen(units, own, role)
    chosen = role or (unit.role if unit else "run")
    if given or unit is None or unit is own or unit.config is None:
        shown = str(given) if given else "defaults and the environment"
        return Subject(
            chosen, config, units, unit, unit is not None and unit is own, Check(_NAME, "ok", shown)
        )
    read, found = _of_unit(unit, unit.config, config)
    return Subject(chosen, read, units, unit, False, found)


def _chosen(units: Sequence[Unit], own: Unit | None, role: Role | None) -> Unit | None:
    if role:
        return next((unit for unit in units if unit.role == role and unit.wanted), None)
    return own or next((unit for unit in units if unit.wanted), None)


def _of_unit(unit: Unit, path: Path, otherwise: Config) -> tuple[Config, Check]:
    """The unit's own configuration, with the variables that it gets; ``otherwise`` where it cannot be read."""
    if not os.access(path, os.R_OK):
        cost = f"sinks and NATS of {unit.name} are not asked"
        remedy = "run as root: sudo tailrace doctor"
        return otherwise, Check(_NAME, "degraded", f"{path} is not readable for this user", cost, remedy)
    try:
        config = load_config(path, variables(ENVIRONMENT) | _own_variables())
    except TailraceError as error:
        cost = f"{unit.name} does not start again, and takes over nothing"
        return otherwise, Check(_NAME, "missing", error.what, cost, error.remedy, required=True)
    return config, Check(_NAME, "ok", f"{path}, of {unit.name}.service")


def _own_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def variables(file: Path) -> dict[str, str]:
    """Those of Tailrace in an ``EnvironmentFile`` (systemd.exec(5)): ``NAME=value``, quoted or not."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    pairs = [line.strip().split("=", 1) for line in lines if "=" in line and line.lstrip().startswith(PREFIX)]
    return {name: _unquoted(value) for name, value in pairs}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
