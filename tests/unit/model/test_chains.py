"""Tables of chains: what conntrack made of tuples, one hop after the other."""

import numpy as np

from model.chains import HOP, Chains


def hops(*ports: int) -> np.ndarray:
    """Hops that differ by their source port."""
    made = np.zeros(len(ports), HOP)
    made["source_port"] = ports
    return made


def ports(chains: Chains) -> list[list[int]]:
    """The source ports of each chain but the first, which is empty."""
    return [[hop.source_port for hop in chain] for chain in list(chains)[1:]]


def test_some_chains_go_on_and_others_begin() -> None:
    """Where there is none yet the further chain is the whole; where there is one it goes on from its last hop."""
    there = Chains(np.array([2], np.uint8), hops(1, 2))
    more = Chains(np.array([3, 2], np.uint8), hops(5, 6, 7, 2, 3))
    longer = there.extended(np.array([0, 1], np.uint32), more, np.array([1, 2]))
    assert ports(longer) == [[5, 6, 7], [1, 2, 3]]


def test_all_chains_may_begin() -> None:
    """Nothing was known before."""
    more = Chains(np.array([2], np.uint8), hops(5, 6))
    assert ports(Chains().extended(np.zeros(1, np.uint32), more, np.array([1]))) == [[5, 6]]
