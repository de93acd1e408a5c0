"""Made-up deltas: plausible connections, the same for the same seed."""

import errno
from collections.abc import Mapping
from typing import Any

import numpy as np

from model.addresses import address_bytes
from model.arrays import Array, Columns
from model.batch import Batch
from model.kinds.delta import COUNTERS, DELTA, CloseReason, Evidence, Role, State

WINDOW = 1_700_000_000
COMMS = (b"nginx", b"postgres", b"curl", b"java", b"envoy", b"python3", b"redis-server", b"k3s-agent-node1")
CGROUPS = [
    "/system.slice/nginx.service",
    "/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope",
    "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + "fedcba9876543210" * 4 + ".scope",
    "/user.slice/user-1000.slice/session-3.scope",
]


def make_deltas(
    rows: int,
    *,
    seed: int = 0,
    window: int = WINDOW,
    node: str = "node-a",
    boot: str = "boot-1",
    seq: int = 0,
    ipv6: float = 0.25,
    columns: Mapping[str, object] | None = None,
) -> Batch:
    """``rows`` connections of one window; a tenth each is opened, closed, or a connect that failed.

    :param ipv6: share of the rows that have IPv6 addresses.
    :param columns: values, one for all or one per row, that replace those of a column.
    """
    random = np.random.default_rng(seed)
    made = DELTA.empty(rows)
    _identities(made, random, ipv6)
    _owners(made, random)
    _lives(made, random, window)
    _traffic(made, random)
    given = dict(columns or {})
    _replace(made, given)
    _replace(unresolved(made), given)
    return Batch(DELTA, node, boot, seq, window, made, {"cgroups": list(CGROUPS)})


def unresolved(columns: Columns) -> Columns:
    """Columns of deltas with the tuple that each socket itself sees: nothing was rewritten."""
    calls = columns["connection.role"] == Role.CLIENT
    for part in ("address", "port"):
        local, peer = columns[f"network.local.{part}"], columns[f"network.peer.{part}"]
        columns[f"connection.source.{part}"] = np.where(calls, local, peer)
        columns[f"connection.destination.{part}"] = np.where(calls, peer, local)
    return columns


def _replace(columns: Columns, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        columns[name][:] = np.asarray(value, columns[name].dtype)


def _identities(columns: Columns, random: np.random.Generator, ipv6: float) -> None:
    rows = len(columns["socket.slot"])
    six = random.random(rows) < ipv6
    columns["socket.slot"][:] = np.arange(rows)
    columns["socket.generation"][:] = random.integers(0, 9, rows)
    columns["network.type"][:] = np.where(six, 6, 4)
    columns["network.local.address"][:] = _addresses(six, np.full((rows, 3), 7), b"\x0a\x00\x00")
    columns["network.peer.address"][:] = _addresses(six, random.integers(0, 250, (rows, 3)), b"\x0a\x01\x02")
    columns["network.local.port"][:] = random.integers(1, 65536, rows)
    columns["network.peer.port"][:] = random.integers(1, 65536, rows)
    columns["netns.id"][:] = 4026531840


def _addresses(six: np.ndarray[Any, Any], tail: np.ndarray[Any, Any], head: bytes) -> Array:
    """``10.x.y.z`` or ``2001:db8::x:y:z`` in network order."""
    raw = np.zeros((len(six), 16), np.uint8)
    raw[:, 10:12] = 0xFF
    raw[:, 12] = head[0]
    raw[six] = np.frombuffer(address_bytes("2001:db8::"), np.uint8)
    raw[:, 13:] = tail
    return raw.reshape(-1).view("V16")


def _owners(columns: Columns, random: np.random.Generator) -> None:
    rows = len(columns["socket.slot"])
    which = random.integers(0, len(COMMS), rows)
    columns["process.comm"][:] = np.array(COMMS, "S16")[which]
    columns["process.pid"][:] = 1000 + which
    columns["thread.id"][:] = 1000 + which
    columns["user.id"][:] = which * 100
    columns["cgroup.index"][:] = which % len(CGROUPS)
    columns["cgroup.id"][:] = 5000 + which % len(CGROUPS)
    columns["owner.evidence"][:] = random.choice([Evidence.OPENED, Evidence.ACCEPTED], rows)


def _lives(columns: Columns, random: np.random.Generator, window: int) -> None:
    rows = len(columns["socket.slot"])
    life = random.integers(0, 10, rows)  # 0: opened, 1: closed, 2: failed, else open all the time
    opened, closed, failed = life == 0, life == 1, life == 2
    columns["connection.opened"][:] = opened
    columns["connection.closed"][:] = closed
    columns["connection.failed"][:] = failed
    columns["connection.role"][:] = np.where(failed, Role.CLIENT, random.integers(1, 3, rows))
    columns["connection.state"][:] = np.where(closed | failed, State.CLOSE, State.ESTABLISHED)
    columns["connection.close_reason"][:] = np.where(closed, CloseReason.FIN_SENT, CloseReason.OPEN)
    columns["error.errno"][:] = np.where(failed, errno.ECONNREFUSED, 0)
    columns["connection.opened_at_ns"][:] = np.where(failed, 0, window * 10**9 + 5)
    columns["connection.closed_at_ns"][:] = np.where(closed, window * 10**9 + 9, 0)


def _traffic(columns: Columns, random: np.random.Generator) -> None:
    rows = len(columns["socket.slot"])
    for side in ("tx", "rx"):
        sent = (random.pareto(1.2, rows) * 3000).astype("<u8")
        columns[f"{side}_bytes"][:] = sent
        columns[f"{side}_segments"][:] = (sent + 1447) // 1448
    columns["retransmitted_segments"][:] = random.poisson(0.1, rows)
    columns["retransmitted_bytes"][:] = columns["retransmitted_segments"] * 1448
    columns["lost_segments"][:] = columns["retransmitted_segments"]
    columns["rtt_ns"][:] = 10_000 + random.pareto(1.5, rows) * 200_000
    for name in (*COUNTERS, "rtt_ns"):
        columns[name][columns["connection.failed"] == 1] = 0
