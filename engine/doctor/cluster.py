"""The nodes and engines on a NATS server: who is silent, and who runs another version."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from engine.nats.heartbeats import StoredHeartbeat
from engine.nats.inspection import LiveEngine
from model.rows.words import printable
from model.text.units import duration_text
from model.version import VERSION
from probes.checks.check import Check

#: A node says each second that it lives; after so long without it is silent.
SILENT_NS: Final = 15 * 10**9
#: Nodes that one line names at most.
_NAMED: Final = 8


def check_nodes(nodes: Sequence[StoredHeartbeat] | None, now_ns: int) -> list[Check]:
    """Agents: which report, which are silent, and their versions.

    :param nodes: None if this user may not read heartbeats.
    """
    if nodes is None:
        return [Check("agents", "not needed", "not asked: this user may not read heartbeats")]
    silent = [node for node in nodes if now_ns - node.stored_at_ns > SILENT_NS]
    live = [node for node in nodes if node not in silent]
    found = f"{len(live)} of {len(nodes)} nodes report" if nodes else "none has ever reported"
    return [
        Check("agents", "ok", found),
        *(_check_silent(node, now_ns) for node in silent),
        *_check_versions("agents", [(node.heartbeat.version, _title(node)) for node in live]),
    ]


def check_engines(engines: Sequence[LiveEngine] | None, *, agents: bool) -> list[Check]:
    """Engines that share the partitions, and their versions.

    :param agents: whether there are agents that publish for them.
    """
    if engines is None:
        return [Check("engines", "not needed", "not asked: this user may not read who they are")]
    if not engines:
        cost = "what agents publish waits, and is removed after an hour" if agents else ""
        remedy = "sudo systemctl enable --now tailrace-engine, on a machine that reaches NATS"
        return [Check("engines", "degraded" if agents else "ok", "none", cost, remedy if agents else "")]
    named = [(engine.version or "unknown", printable(engine.host) or "an engine") for engine in engines]
    return [
        Check("engines", "ok", f"{len(engines)} share the partitions"),
        *_check_versions("engines", named),
    ]


def check_this_node(nodes: Sequence[StoredHeartbeat], node: str, now_ns: int) -> Check:
    """Whether the agent of this machine is among them."""
    name, found = printable(node), next((each for each in nodes if each.heartbeat.node == node), None)
    if found and now_ns - found.stored_at_ns <= SILENT_NS:
        up = duration_text(found.heartbeat.uptime_s * 1e9)
        return Check("this node", "ok", f"{name} reports; its agent is up for {up}")
    remedy = "journalctl -u tailrace-agent -e says why"
    return Check("this node", "degraded", f"{name} does not report", "its connections are missing", remedy)


def _title(node: StoredHeartbeat) -> str:
    return f"{printable(node.heartbeat.node)} (boot {printable(node.heartbeat.boot)[:8]})"


def _check_silent(node: StoredHeartbeat, now_ns: int) -> Check:
    name = printable(node.heartbeat.node)
    found = (
        f"silent for {duration_text(now_ns - node.stored_at_ns)}, version {printable(node.heartbeat.version)}"
    )
    remedy = f"on {name}: sudo systemctl status tailrace-agent"
    return Check(f"node {name}", "degraded", found, "its connections are not reported", remedy)


def _check_versions(who: str, named: Sequence[tuple[str, str]]) -> Iterator[Check]:
    """A line for each version: this one, and those that are older or newer."""
    by_version: dict[str, list[str]] = defaultdict(list)
    for version, name in named:
        by_version[printable(version)].append(name)
    for version, names in sorted(by_version.items()):
        shown = ", ".join(names[:_NAMED]) + (
            f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        )
        if version == VERSION:
            yield Check(f"version of {who}", "ok", f"{version}, as this one: {shown}")
            continue
        upgrade = f"upgrade {'this installation' if age(version) == 'newer' else 'them'}"
        found = f"{version}, {age(version)} than {VERSION}: {shown}"
        cost = "columns that one of both does not know are left out"
        yield Check(f"version of {who}", "degraded", found, cost, upgrade)


def age(version: str) -> str:
    """``older``, ``newer`` or ``other`` than this program: by the numbers at the beginning."""
    theirs, ours = _numbers(version), _numbers(VERSION)
    if not theirs or theirs == ours:
        return "other"
    return "older" if theirs < ours else "newer"


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
