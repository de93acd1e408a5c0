"""How whole the data is: nodes that were heard, and what they lost."""

from actors.trouble.losses import Heard, Losses
from model.batch import Batch
from model.kinds.ledger import LEDGER

EMPTY = {"received": 0, "dropped": {}}


def ledger(node: str, received: int, dropped: int = 0) -> Batch:
    """Counts since the node's start."""
    stages = {"kernel": {"received": received, "dropped": {"ring_full": dropped}}, "sockets": EMPTY}
    return Batch(LEDGER, node, "boot", 0, 0, {}, head={"stages": stages})


def test_nodes_are_whole_that_spoke_and_lost_little() -> None:
    losses = Losses()
    for node in ("a", "b", "c"):
        losses.take(ledger(node, 1000))
    assert losses.since_last() == Heard(False, 3, 3)
    losses.take(ledger("a", 2000, 5))
    losses.take(ledger("b", 2000, 500))
    assert losses.since_last() == Heard(True, 1, 3, frozenset({"c"}), frozenset({"c"}))
    losses.take(ledger("b", 3000, 500))
    assert losses.since_last() == Heard(False, 1, 3, frozenset({"a", "c"}), frozenset({"a", "c"}))


def test_a_node_that_left_is_counted_for_an_hour() -> None:
    losses = Losses()
    losses.take(ledger("gone", 1000))
    told = []
    for tick in range(400):
        losses.take(ledger("here", 1000 * tick))
        told.append(losses.since_last())
    away = Heard(False, 1, 2, frozenset({"gone"}), frozenset({"gone"}))
    assert (told[0], told[1], told[-1]) == (Heard(False, 2, 2), away, Heard(False, 1, 1))
    assert sum(bool(heard.silent) for heard in told) == 60
    assert sum(bool(heard.away) for heard in told) == 360
    assert sum(heard.nodes == 2 for heard in told) == 361


def test_an_engine_is_no_node_and_yet_may_lose() -> None:
    losses, told = Losses(), False
    for dropped in (0, 500, 500):
        losses.take(ledger("a", 1000))
        stages = {"join": {"received": 1000, "dropped": {"late": dropped}}}
        losses.take(Batch(LEDGER, "engine", "boot", 0, 0, {}, head={"stages": stages}))
        heard = losses.since_last()
        assert (heard.whole, heard.nodes, heard.away) == (1, 1, frozenset())
        assert heard.lossy == (dropped > 0 and not told)
        told = dropped > 0
    losses.take(ledger("a", 1000))
    assert losses.since_last() == Heard(False, 1, 1)
