"""What the path of a cgroup tells: the container's id and runtime, its pod, the systemd unit.

Sources of the formats: moby's daemon (drivers ``cgroupfs`` and ``systemd``), CRI of containerd and CRI-O, the
kubelet's cgroup manager, Podman's libpod, the ECS agent, lxc.container.conf(5), systemd-nspawn(1), systemd.unit(5).
"""

import re
from dataclasses import dataclass
from typing import Final

_ID: Final = r"[0-9a-f]{64}"
_POD: Final = re.compile(
    r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::|$)"
)
_QOS: Final = re.compile(r"(?:^|[-/])kubepods(?:\.slice)?[-/](?:kubepods-)?(burstable|besteffort)\b")
_UNIT: Final = re.compile(r"\.(?:service|scope|socket|mount|swap)$")
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})")

#: Programs that watch over containers have cgroups of their own, named like them.
_WATCHERS: Final = re.compile(rf"(?:crio|libpod)-conmon-{_ID}(?:\.scope)?$|lxc\.monitor(?:\.|$)")
#: Prefixes of names that tell the runtime.
_RUNTIMES: Final = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",
}
_PREFIXED: Final = re.compile(rf"(?:[^:]*:)?({'|'.join(_RUNTIMES)})[-:]({_ID})(?:\.scope)?$")
_BARE: Final = re.compile(rf"({_ID})$")
#: A task's id was a UUID once, and is 32 digits now.
_TASK: Final = r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ECS: Final = re.compile(rf"/ecs/(?:[^/]+/)?({_TASK})(?:/|$)|/ecstasks-({_TASK})\.slice(?:/|$)")
_FARGATE: Final = re.compile(r"/([0-9a-f]{32}-\d+)(?:/|$)")
_LXC: Final = re.compile(r"(?:^|/)(?:lxc\.payload[./]|lxc/)([^/]+)")
_NSPAWN: Final = re.compile(r"systemd-nspawn@([^/]+)\.service(?:/|$)|(?:^|/)machine-([^/]+)\.scope(?:/|$)")


@dataclass(frozen=True)
class CgroupOwner:
    """Whose a cgroup is; what is not known is empty.

    :param container: its id; of LXC and nspawn, which have none, the name.
    :param runtime: docker, containerd, cri-o, podman, lxc, systemd-nspawn.
    :param qos: of the pod: guaranteed, burstable, besteffort.
    :param unit: the innermost systemd unit that is no slice; none within containers.
    """

    container: str = ""
    runtime: str = ""
    pod_uid: str = ""
    qos: str = ""
    ecs_task: str = ""
    unit: str = ""


def owner_of(path: str) -> CgroupOwner:
    """Reads the path of a cgroup, as ``cgroup.path``; its upper levels may be missing."""
    container, runtime, depth = _container(path)
    names = path.split("/")
    pod = _last_match(_POD, names)
    task = _ECS.search(path)
    return CgroupOwner(
        container,
        runtime,
        pod.replace("_", "-"),
        _qos(path) if pod else "",
        task[1] or task[2] if task else "",
        _unit(names[:depth]) if not pod else "",
    )


def _container(path: str) -> tuple[str, str, int]:
    """Id and runtime of the innermost container, and the levels of the path that lie outside of it."""
    names = path.split("/")
    for depth in range(len(names) - 1, -1, -1):
        if _WATCHERS.match(names[depth]):
            return "", "", depth
        if found := _PREFIXED.match(names[depth]):
            return found[2], _RUNTIMES[found[1]], depth
        if found := _BARE.match(names[depth]):
            return found[1], _runtime_above(names[:depth]), depth
    if _ECS.search(path) and (found := _FARGATE.search(path)):
        return found[1], "", 0
    return _machine(path, len(names))


def _runtime_above(names: list[str]) -> str:
    """Docker's cgroupfs driver has a folder of its own; below pods the path does not say who made the container."""
    return "docker" if names and names[-1] in ("docker", "actions_job") else ""


def _machine(path: str, levels: int) -> tuple[str, str, int]:
    """LXC and nspawn: containers that have a name."""
    if found := _LXC.search(path):
        return found[1], "lxc", 0
    if found := _NSPAWN.search(path):
        return _unescaped(found[1] or found[2]), "systemd-nspawn", 0
    return "", "", levels


def _last_match(pattern: re.Pattern[str], names: list[str]) -> str:
    found = (match[1] for name in reversed(names) if (match := pattern.search(name)))
    return next(found, "")


def _qos(path: str) -> str:
    """The kubelet puts guaranteed pods right below ``kubepods``."""
    found = _QOS.search(path)
    return found[1] if found else "guaranteed" if "kubepods" in path else ""


def _unit(names: list[str]) -> str:
    return next((_unescaped(name) for name in reversed(names) if _UNIT.search(name)), "")


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
