"""Rows of listeners as JSON has them."""

from model.batch import Batch
from model.kinds.listener import LISTENER


def test_a_row_says_who_listens_and_how_it_stands() -> None:
    """Also of root, whose number is 0."""
    columns = LISTENER.empty(1)
    columns["network.local.port"][:], columns["listener.queue"][:] = 80, 9
    columns["process.comm"][:] = b"nginx"
    batch = Batch(LISTENER, "node-a", "boot", 0, 7, columns, {"cgroups": [""], "entities": [{}]})
    (row,) = LISTENER.rows.objects(batch)
    assert (row["network.local.port"], row["listener.queue"], row["process.comm"]) == (80, 9, "nginx")
    assert row["user.id"] == 0
    assert row["listener.id"] == "0" * 16
