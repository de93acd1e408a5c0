"""Probes that show some network namespaces only: what is of others is left out, and not counted as made."""

from typing import cast

import numpy as np

from engine.config import Config
from probes.attached import AttachedProbes
from probes.kernel.layout import structs
from probes.kernel.namespaces import ChosenNamespaces
from probes.limited import LimitedProbes
from probes.registry import PROBES
from probes.selection import Selection
from probes.tcp.config import TcpConfig
from probes.tcp.sockets import Snapshot
from tests.declared import KIND

MINE, OTHER = 7, 8
SELECTION = Selection(Config(tcp=TcpConfig(slots=4)), PROBES)


class Chosen:
    """One namespace, or all."""

    def __init__(self, *, everything: bool) -> None:
        self.all = everything

    def refresh(self) -> None:
        """It stays the same."""

    def mask(self, inodes: np.ndarray) -> np.ndarray:
        """Whether it is that one."""
        found: np.ndarray = inodes == MINE
        return found


class Ring:
    """Events of both namespaces: an end of each, the name of a cgroup, and a rewrite."""

    fd = 3

    def __init__(self) -> None:
        self.events = np.zeros(4, structs("tcp")["socket_event"])
        kinds = ("KIND_CLOSE", "KIND_FAIL", "KIND_CGROUP", "KIND_NAT_NEW")
        self.events["header"]["kind"] = [KIND[kind] for kind in kinds]
        self.events["socket"]["netns"] = [MINE, OTHER, OTHER, OTHER]
        self.released = 0

    def peek(self) -> np.ndarray:
        return self.events

    def release(self) -> None:
        self.released += 1
        self.events = self.events[:0]

    def waiting(self) -> int:
        return len(self.events)


class Everything:
    """Probes that see all of a machine."""

    def __init__(self) -> None:
        self.rings = {"ring": Ring()}
        self.detached = False

    def ring_counts(self) -> dict[str, tuple[int, int]]:
        return {"ring": (6, 2)}

    def tallies(self) -> dict[str, int]:
        return {"opened": 5}

    def snapshot(self) -> Snapshot:
        descriptions = np.zeros(2, structs("tcp")["description"])
        descriptions["netns"] = MINE, OTHER
        slots = np.array([0, 3], np.uint32)
        return Snapshot(slots, np.zeros(2, structs("tcp")["cell"]), slots, descriptions)

    def detach(self) -> None:
        self.detached = True


def limited(probes: Everything, *, everything: bool) -> LimitedProbes:
    """What is shown of them."""
    chosen = cast(ChosenNamespaces, Chosen(everything=everything))
    return LimitedProbes(cast(AttachedProbes, probes), SELECTION, chosen)


def test_events_of_other_namespaces_are_left_out() -> None:
    """Those that belong to one namespace; names and rewrites concern others too, and stay."""
    probes = Everything()
    shown = limited(probes, everything=False)
    ring = shown.rings["ring"]
    kept = [KIND[kind] for kind in ("KIND_CLOSE", "KIND_CGROUP", "KIND_NAT_NEW")]
    assert ring.peek()["header"]["kind"].tolist() == kept
    ring.release()
    assert shown.ring_counts() == {"ring": (5, 2)}
    assert (probes.rings["ring"].released, ring.waiting(), len(ring.peek()), ring.fd) == (1, 0, 0, 3)


def test_so_are_their_sockets() -> None:
    """Also in a snapshot that brings no description of them any more."""
    probes = Everything()
    shown = limited(probes, everything=False)
    for _ in range(2):
        shot = shown.snapshot()
        assert (shot.slots.tolist(), shot.new_slots.tolist(), len(shot.cells)) == ([0], [0], 1)
    assert shown.tallies() == {"opened": 5}
    shown.detach()
    assert probes.detached


def test_without_a_choice_everything_passes_as_it_is() -> None:
    """Nothing is copied, and nothing is taken off the counts."""
    probes = Everything()
    shown = limited(probes, everything=True)
    assert shown.rings is probes.rings
    assert shown.ring_counts() == {"ring": (6, 2)}
    assert shown.snapshot().slots.tolist() == [0, 3]
