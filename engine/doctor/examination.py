"""All that is looked at, in groups: the machine, the units, names, NATS, sinks, disks, clocks, other nodes."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from engine.config import Config, SinkConfig
from engine.doctor.bus import check_bus, check_unreachable
from engine.doctor.clock import check_clocks, check_own_clock
from engine.doctor.cluster import SILENT_NS, check_engines, check_nodes, check_this_node
from engine.doctor.disk import check_place as check_folder
from engine.doctor.disk import places
from engine.doctor.names import check_docker
from engine.doctor.sinks import check_sinks
from engine.doctor.subject import Subject
from engine.doctor.unit_rights import check_place, check_rights
from engine.doctor.units import check_unit
from engine.nats.address import DEFAULT_URL
from engine.nats.inspection import inspect, place_of
from engine.nats.rights import NatsRole
from engine.plugins.probes import select
from engine.plugins.sinks import make_sinks
from model.errors import TailraceError, UsageError
from probes.checks.capabilities import check_headers, check_hooks, check_limits, check_machine
from probes.checks.cgroup_programs import check_cgroup_programs
from probes.checks.check import Check
from probes.checks.libraries import check_libraries
from probes.checks.rewrites import with_rewrites
from probes.checks.switches import check_switches

if TYPE_CHECKING:
    from sinks.configured import ConfiguredSink

Groups = dict[str, list[Check]]

_NATS: Final = "nats://"


def examine(subject: Subject) -> Groups:
    """All checks by group; takes about two seconds, most of it the trial of the hooks, and more where a server is
    away."""
    groups = {} if subject.role == "engine" else examine_machine(subject.config)
    groups["units"] = list(_check_units(subject))
    unit_outside = None if subject.inside else subject.unit
    if subject.role != "engine":
        groups["names"] = [check_docker(subject.config.docker, unit_outside)]
    sinks, groups["sinks"] = _made_sinks(subject)
    if bus := _bus_url(subject):
        groups |= asyncio.run(examine_bus(subject, bus))
    groups["sinks"] += asyncio.run(check_sinks(sinks))
    groups["disk"] = [
        check_folder(place, unit_outside)
        for place in places(subject.config, subject.role, sinks, subject.unit)
    ]
    groups["clock"] = [check_own_clock(), *groups.get("clock", [])]
    return {name: checks for name, checks in groups.items() if checks}


def examine_machine(config: Config) -> Groups:
    """What the probes need of the kernel and of this process."""
    selection = select(config)
    machine, headers, limits = check_machine(), check_headers(), check_limits(selection)
    hooks = with_rewrites(config.nat, check_hooks(selection, [*machine, *headers, *limits]))
    hooks.append(check_cgroup_programs(selection))
    return {
        "machine": machine,
        "headers": headers,
        "hooks": hooks,
        "switches": check_switches(selection),
        "libraries": check_libraries(config.http),
        "limits": limits,
    }


def _check_units(subject: Subject) -> list[Check]:
    checks = [subject.found]
    if not subject.units:
        return [*checks, Check("units", "not needed", "systemd is not the service manager here")]
    checks += [
        check_unit(unit, inside=subject.inside and unit is subject.unit, examined=unit is subject.unit)
        for unit in subject.units
        if unit.installed or unit is subject.unit
    ] or [Check("units", "not needed", "none is installed")]
    checks.append(check_place(subject.unit, inside=subject.inside))
    if subject.unit:
        checks.append(check_rights(subject.unit, subject.config.nat))
    return checks


def _bus_url(subject: Subject) -> str:
    """That of NATS; empty where nothing goes over it, or nobody knows where it is."""
    url = subject.config.bus.url
    if subject.found.fatal:
        return ""
    if url.startswith(_NATS):
        return url
    return "" if subject.role == "run" else DEFAULT_URL


def _made_sinks(subject: Subject) -> "tuple[Mapping[str, ConfiguredSink], list[Check]]":
    """Those of the role, made and not opened; what is wrong with them as a check."""
    config = subject.config
    if subject.role == "agent" or subject.found.fatal:
        return {}, []
    wanted = list(config.sinks)
    if subject.role == "engine" and not wanted:
        wanted = [SinkConfig("nats", {"url": _bus_url(subject)})]
    try:
        select(config)  # probes of other packages make rows of their own kinds
        return make_sinks(wanted, config.stage, "$.sinks"), []
    except UsageError as error:
        return {}, [Check("sinks", "missing", error.what, "nothing starts", error.remedy, required=True)]


async def examine_bus(subject: Subject, url: str) -> Groups:
    """The server, what it keeps, and who lives there."""
    role: NatsRole = "engine" if subject.role == "engine" else "agent"
    node = subject.config.node_name
    try:
        seen = await inspect(url, role, node)
    except TailraceError as error:
        return {"bus": check_unreachable(error)}
    now_ns = time.time_ns()
    nodes = seen.nodes or []
    live = [each for each in nodes if now_ns - each.stored_at_ns <= SILENT_NS]
    cluster = [*check_nodes(seen.nodes, now_ns), *check_engines(seen.engines, agents=bool(live))]
    if subject.unit and subject.unit.role == "agent" and subject.unit.active and seen.nodes is not None:
        cluster.insert(0, check_this_node(nodes, node, now_ns))
    return {"bus": check_bus(place_of(url), seen, role), "cluster": cluster, "clock": check_clocks(live)}
