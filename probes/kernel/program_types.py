"""The kernel's types of BPF programs: a program is loaded for the kind of place at which it runs.

Source: include/uapi/linux/bpf.h, enum bpf_prog_type and enum bpf_attach_type.
"""

from typing import Final, NamedTuple

from model.probe import Hook, HookKind
from probes.kernel.uprobe_links import ATTACH_TYPE, has_uprobe_links


class ProgramType(NamedTuple):
    """As what a program is loaded, and where it is attached if the kernel is told by number."""

    program: int
    attach: int = 0


_SKB, _SOCK, _SOCK_OPS, _SOCK_ADDR = 8, 9, 13, 18
_PROBE, _RAW_TRACEPOINT = ProgramType(2), ProgramType(17)
_TRACING = 26
_FEXIT = ProgramType(_TRACING, 25)

_BY_KIND: Final[dict[HookKind, ProgramType]] = {
    "kprobe": _PROBE,
    "kretprobe": _PROBE,
    "uprobe": _PROBE,
    "uretprobe": _PROBE,
    "tracepoint": ProgramType(5),
    "raw_tracepoint": _RAW_TRACEPOINT,
    "on_request": _RAW_TRACEPOINT,
    "probe_part": _PROBE,
    "iterator": ProgramType(_TRACING, 28),
    "fexit": _FEXIT,
    "fexit_part": _FEXIT,
    "socket_filter": ProgramType(1),
}
#: Those that links attach, with the parts that they go on with: the kernel compares both.
_OF_UPROBES: Final = frozenset({"uprobe", "uretprobe", "probe_part"})
#: Places of cgroups, by the kernel's name in lower case without ``BPF_CGROUP_``.
PLACES_OF_CGROUPS: Final = {
    "inet_ingress": ProgramType(_SKB, 0),
    "inet_egress": ProgramType(_SKB, 1),
    "inet_sock_create": ProgramType(_SOCK, 2),
    "sock_ops": ProgramType(_SOCK_OPS, 3),
    "inet4_connect": ProgramType(_SOCK_ADDR, 10),
    "inet6_connect": ProgramType(_SOCK_ADDR, 11),
    "inet4_post_bind": ProgramType(_SOCK, 12),
    "inet6_post_bind": ProgramType(_SOCK, 13),
    "udp4_sendmsg": ProgramType(_SOCK_ADDR, 14),
    "udp6_sendmsg": ProgramType(_SOCK_ADDR, 15),
    "udp4_recvmsg": ProgramType(_SOCK_ADDR, 19),
    "udp6_recvmsg": ProgramType(_SOCK_ADDR, 20),
    "inet_sock_release": ProgramType(_SOCK, 34),
}


def program_type(hook: Hook) -> ProgramType:
    """As what a hook's program is loaded.

    :raises KeyError: if the hook names a place of cgroups that is not known here.
    """
    if hook.kind in _OF_UPROBES and has_uprobe_links():
        return ProgramType(_PROBE.program, ATTACH_TYPE)
    return PLACES_OF_CGROUPS[hook.target] if hook.kind in ("cgroup", "cgroup_part") else _BY_KIND[hook.kind]
