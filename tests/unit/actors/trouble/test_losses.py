"""How whole the data is: nodes that were heard, and what they lost."""

from actors.trouble.losses import Heard, Losses
from model.batch import Batch
from model.kinds.ledger import LEDGER


def ledger(node: str, received: int, dropped: int = 0) -> Batch:
    """Counts since the node's start."""
    stages = {"kernel": {"received": received, "dropped": {"ring_full": dropped}}}
    return Batch(LEDGER, node, "boot", 0, 0, {}, head={"stages": stages})


def test_nodes_are_whole_that_spoke_and_lost_little() -> None:
    losses = Losses()
    for node in ("a", "b", "c"):
        losses.take(ledger(node, 1000))
    assert losses.since_last() == Heard(False, 3, 3)
    losses.take(ledger("a", 2000, 5))
    losses.take(ledger("b", 2000, 500))
    assert losses.since_last() == Heard(True, 1, 3, frozenset({"c"}))
    losses.take(ledger("b", 3000, 500))
    assert losses.since_last() == Heard(False, 1, 3, frozenset({"a", "c"}))


def test_a_node_that_left_is_counted_for_an_hour() -> None:
    losses = Losses()
    losses.take(ledger("gone", 1000))
    told = []
    for tick in range(400):
        losses.take(ledger("here", 1000 * tick))
        told.append(losses.since_last())
    away = Heard(False, 1, 2, frozenset({"gone"}))
    assert (told[0], told[1], told[-1]) == (Heard(False, 2, 2), away, Heard(False, 1, 1))
    assert sum(bool(heard.silent) for heard in told) == 60
    assert sum(heard.nodes == 2 for heard in told) == 361
