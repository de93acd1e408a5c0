"""Whether NAT rewrites can be seen, by which way, and what is missed."""

import logging
from collections.abc import Iterable
from dataclasses import replace

from probes.checks.check import Check
from probes.checks.privileges import read_capabilities
from probes.conntrack.config import NatConfig
from probes.conntrack.probe import KPROBES
from probes.conntrack.socket import COUNT, HEARD, NEVER, events_mode, open_listener

NAME = "NAT rewrites"
WAY = "events of ctnetlink"
#: What is not seen without a right (netlink(7), setns(2), proc_pid_ns(5)).
RIGHTS = {
    "CAP_NET_ADMIN": "conntrack tells nothing: connections through NAT end at the translated address",
    "CAP_NET_BROADCAST": "rewrites in other network namespaces are not seen",
    "CAP_SYS_ADMIN": "rewrites of before the start are not seen in other network namespaces",
    "CAP_SYS_PTRACE": "namespaces of other users' processes are found only by their names in /run/netns",
}
#: Those of ctnetlink's events alone.
TO_LISTEN = ("CAP_NET_ADMIN", "CAP_NET_BROADCAST")

log = logging.getLogger(__name__)


def check_rewrites(config: NatConfig) -> Check:
    """Rights, the kernel's conntrack, and whether it makes events in this network namespace."""
    if config.source == "off":
        return Check(NAME, "not needed", "nat.source is off")
    if not COUNT.exists():
        return Check(
            NAME, "not needed", "no conntrack in this kernel: it rewrites nothing (looked for again)"
        )
    lacking = [right for right in RIGHTS if right not in read_capabilities()]
    if lacking:
        cost = "; ".join(RIGHTS[right] for right in lacking)
        return Check(NAME, "degraded", f"no {' and '.join(lacking)}", cost, f"add {' and '.join(lacking)}")
    return _check_events()


def warn_of_unseen(*, listening: bool) -> None:
    """Logs which rewrites are not seen for want of a right.

    :param listening: to ctnetlink; kprobes see all network namespaces.
    """
    held = read_capabilities() if COUNT.exists() else RIGHTS
    for right, cost in RIGHTS.items():
        if right not in held and (listening or right not in TO_LISTEN):
            log.warning("no %s: %s; see `tailrace doctor`", right, cost)


def with_rewrites(config: NatConfig, hooks: Iterable[Check]) -> list[Check]:
    """The checks of the trial with one line of rewrites: by kprobes if taken, else of ctnetlink with the reason.

    :param hooks: what the trial of all hooks said, if there was one.
    """
    tried = {check.name: check for check in hooks}
    probed, listening = tried.pop(NAME, None), check_rewrites(config)
    if probed and config.source != "off" and config.source != "netlink":
        if probed.detail == KPROBES.name or config.source == "kprobes":
            return [*tried.values(), probed]
        reasons = probed.detail.partition(" (refused: ")[2].removesuffix(")")
        listening = replace(listening, detail=f"{listening.detail} (refused: {reasons})")
    return [*tried.values(), listening]


def _check_events() -> Check:
    try:
        open_listener(1 << 16).close()
        mode = events_mode()
    except OSError as error:
        cost = "connections through NAT end at the translated address"
        return Check(NAME, "degraded", f"no ctnetlink ({error})", cost, "modprobe nf_conntrack_netlink")
    if mode == NEVER:
        cost = "rewrites are seen once a minute only"
        remedy = "sysctl -w net.netfilter.nf_conntrack_events=1 (needs CONFIG_NF_CONNTRACK_EVENTS)"
        return Check(NAME, "degraded", "conntrack makes no events here", cost, remedy)
    later = "; ends of entries of before the start are seen within a minute" if mode == HEARD else ""
    return Check(NAME, "ok", WAY + later)
