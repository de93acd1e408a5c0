"""``tailrace inspect PID``: TLS libraries of a process, or its Envoy: how they are found, and where probes stand."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from engine.config import Config
from model.errors import UsageError


class Library(msgspec.Struct, kw_only=True):
    """A TLS library of a process.

    :param file: as the process calls it.
    :param how: it was found.
    :param probes: functions with their offsets in the file; an instruction that is not emulated costs more.
    :param reason: why it is not seen; empty if it is.
    """

    library: str
    file: str
    build_id: str
    how: str
    probes: list[dict[str, Any]]
    reason: str


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "inspect", parents=[common], help="the TLS libraries of a process: how they are found, or why not"
    )
    parser.add_argument("pid", type=int, metavar="PID", help="of the process")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(_: Config, options: argparse.Namespace) -> int:
    """0; 1 if TLS of the process is not seen.

    :raises UsageError: if there is no such process, or its files may not be read.
    """
    from model.standard_output import show

    found = inspected(options.pid)
    if options.output == "json":
        encoded = msgspec.json.encode({"pid": options.pid, "libraries": found})
        show(msgspec.json.format(encoded).decode())
    else:
        show("\n".join(_lines(options.pid, found)))
    return 1 if any(one.reason for one in found) else 0


def inspected(pid: int) -> list[Library]:
    """The libraries of a process; each is looked for as the probes do.

    :raises UsageError: if there is no such process, or its files may not be read.
    """
    from probes.userspace.mapped import mapped_code

    if not Path(f"/proc/{pid}").exists():
        raise UsageError(f"there is no process {pid}", "say one that runs: see `ps`")
    mapped = mapped_code(pid)
    if not mapped:
        raise UsageError(
            f"no code of process {pid} can be read", "run as root; threads of the kernel have none"
        )
    return [library for file in mapped for library in _libraries(file)]


def _libraries(file: Any) -> list[Library]:
    """:param file: that the process has mapped."""
    from probes.envoy.functions import FINDER
    from probes.tls.finders import FINDERS
    from probes.tls.unseen import UNSEEN, by_name
    from probes.userspace.finding import Found, examine

    found: list[Found] = []
    for path in file.paths:
        try:
            found = examine(path, (*FINDERS, FINDER)) or examine(path, [UNSEEN])
            break
        except OSError:
            continue
    unseen = by_name(file.name)
    if not found and unseen:
        found = [Found(unseen, "", ())]
    return [_library(file.name, one) for one in found]


def _library(name: str, found: Any) -> Library:
    finding = found.finding
    probes = [
        {
            "function": point.name,
            "offset": point.offset,
            "return": point.at_return,
            "emulated": point.emulated,
        }
        for point in found.points
    ]
    return Library(
        library=finding.what,
        file=name,
        build_id=found.build_id,
        how=finding.how,
        probes=probes,
        reason=finding.reason,
    )


def _lines(pid: int, found: list[Library]) -> list[str]:
    if not found:
        return [f"process {pid} has no TLS library that is known"]
    lines = []
    for one in found:
        lines.append(f"{one.library}  {one.file}")
        if one.build_id:
            lines.append(f"  build id  {one.build_id}")
        if one.how:
            lines.append(f"  found     {one.how}")
        if one.reason:
            lines.append(f"  not seen  {one.reason}")
        lines += [f"  probe     {_place(probe)}" for probe in one.probes if not probe["return"]]
    return lines


def _place(probe: dict[str, Any]) -> str:
    cost = "" if probe["emulated"] else ", stepped through"
    return f"{probe['function']} at {probe['offset']:#x}{cost}"
