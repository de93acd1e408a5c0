"""Nodes of the graph, whose trouble is too thin for any of their edges."""

import numpy as np

from actors.detect.detector import Detector
from actors.detect.observations import NODES, Findings, Known, Observations, Parts, State
from actors.detect.symptoms import SYMPTOMS

EDGES, TAUGHT, CALLS = 20, 400, 20
SERVER, CLIENT, ZONE = 1000, 2000, 3000
ALL = Known()


def tick(chance: np.random.Generator, share: float, calls: int = CALLS, always: float = 0.0) -> Observations:
    """All edges call one server with connects, of which a share fails; of the first edge so much always does."""
    ids = np.arange(EDGES).astype(np.uint64)
    bad, total = np.zeros((2, EDGES, len(SYMPTOMS)), np.float32)
    total[:, 0] = calls
    total[0, 0] *= 10 if always else 1
    shares = np.where(ids == 0, np.maximum(share, always), share)
    bad[:, 0] = chance.binomial(total[:, 0].astype(np.int64), shares)
    nodes = np.zeros((EDGES, NODES), np.uint64)
    nodes[:, 0], nodes[:, 1], nodes[:, 2] = CLIENT + ids, SERVER, ZONE
    return Observations(ids, bad, total, total[:, 0] * 1000, Parts(ids, ids, nodes, bad, total))


def taught(chance: np.random.Generator, always: float = 0.0) -> Detector:
    detector = Detector()
    for number in range(TAUGHT):
        assert not len(detector.step(number, tick(chance, 0.001, always=always), ALL))
    return detector


def keys(findings: list[Findings], state: State) -> set[int]:
    return {int(key) for told in findings for key in told.key[told.of(state)]}


def test_a_server_that_fails_a_few_of_each_edge_is_found_before_its_edges() -> None:
    chance = np.random.default_rng(1)
    detector = taught(chance)
    told = [detector.step(TAUGHT + number, tick(chance, 0.08), ALL) for number in range(3)]
    assert keys(told, State.STARTED) >= {SERVER, ZONE}
    assert sum(key < EDGES for key in keys(told, State.STARTED)) < EDGES / 4
    row = told[-1].key.tolist().index(SERVER)
    assert 0.05 < told[-1].share[row] < 0.11
    assert told[-1].expected[row] < 0.01
    assert told[-1].since[row] == TAUGHT * 10


def test_it_ends_with_its_edges_and_takes_no_memory_then() -> None:
    chance = np.random.default_rng(2)
    detector = taught(chance)
    for number in range(6):
        detector.step(TAUGHT + number, tick(chance, 0.08), ALL)
    after = [detector.step(TAUGHT + 6 + number, tick(chance, 0.001), ALL) for number in range(70)]
    assert keys(after, State.ENDED) >= {SERVER, ZONE}
    assert not len(after[-1])
    assert detector.nbytes / len(detector) <= 165


def test_traffic_that_moves_to_an_edge_which_always_fails_is_nothing() -> None:
    """The share of the server goes from 12 to 30 %, and no edge fails more than it does."""
    chance = np.random.default_rng(3)
    detector = taught(chance, always=0.3)
    told = [
        detector.step(TAUGHT + number, tick(chance, 0.001, calls=2, always=0.3), ALL) for number in range(30)
    ]
    assert not any(map(len, told))


def test_one_edge_that_fails_is_no_trouble_of_its_server() -> None:
    chance = np.random.default_rng(4)
    detector = taught(chance)
    told = []
    for number in range(10):
        seen = tick(chance, 0.001)
        seen.bad[5, 0] = 10
        told.append(detector.step(TAUGHT + number, seen, ALL))
    assert keys(told, State.STARTED) == {5}


def test_a_restart_goes_on_with_findings_of_nodes() -> None:
    chance = np.random.default_rng(5)
    first = taught(chance)
    for number in range(5):
        first.step(TAUGHT + number, tick(chance, 0.08), ALL)
    second = Detector()
    second.adopt(first.encode())
    seen = tick(chance, 0.08)
    told = [detector.step(TAUGHT + 5, seen, ALL) for detector in (first, second)]
    assert {SERVER, ZONE} <= keys(told[1:], State.ONGOING)
    assert told[0].key.tolist() == told[1].key.tolist()


def test_of_nodes_whose_edges_are_not_known_nothing_is_said_to_be_certain() -> None:
    chance = np.random.default_rng(6)
    detector = taught(chance)
    for number in range(5):
        detector.step(TAUGHT + number, tick(chance, 0.08), ALL)
    told = detector.step(TAUGHT + 5, tick(chance, 0.0), Known(all=False))
    assert {SERVER, ZONE} <= set(told.key.tolist())
    assert not told.certain.any()
