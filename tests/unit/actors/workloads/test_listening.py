"""Listeners that dropped connections, as rows of workloads."""

from actors.items import Chunk
from actors.workloads.listening import AFTER_S, Listening
from model.batch import Batch
from model.kinds.listener import LISTENER
from model.ledger import Ledger
from tests.plain_rows import plain_rows

WINDOW = 1_790_000_000


def chunk(second: int, *listeners: tuple[int, int, int, int]) -> Chunk:
    """Of (id, port, overflows, accepted), all of one pod."""
    columns = LISTENER.empty(len(listeners))
    names = ("listener.id", "network.local.port", "listener.overflows", "listener.accepted")
    for name, values in zip(names, zip(*listeners, strict=True), strict=True):
        columns[name][:] = values
    columns["entity.index"][:] = 1
    pod = {"k8s.workload.name": "cart", "k8s.workload.kind": "Deployment", "k8s.namespace.name": "shop"}
    tables = {"entities": [{}, pod], "cgroups": [""]}
    return Chunk(Batch(LISTENER, "node-a", "boot", second, WINDOW + second, columns, tables), 0)


def counted(listening: Listening, item: Chunk) -> list[tuple[str, str, int, int, int]]:
    """Client, server, port, overflows and attempts of the rows that are made."""
    rows = [row for made in listening.handle(item) for row in plain_rows(made.batch)]
    return [
        (
            row["client.workload.kind"],
            row["server.workload.name"],
            row["server.port"],
            row["listener.overflows"],
            row["listener.attempts"],
        )
        for row in rows
    ]


def test_what_was_dropped_is_of_the_server_and_of_no_client() -> None:
    """Listeners that dropped nothing have no row."""
    ledger = Ledger()
    listening = Listening(ledger)
    assert counted(listening, chunk(0, (1, 8080, 40, 10), (2, 9090, 0, 7))) == [
        ("other", "cart", 8080, 40, 50)
    ]
    assert ledger.stages["listening"].balanced


def test_it_is_seen_to_be_well_again() -> None:
    """For a minute there are rows of what it accepts."""
    listening = Listening(Ledger())
    counted(listening, chunk(0, (1, 8080, 40, 10)))
    assert counted(listening, chunk(1, (1, 8080, 0, 20))) == [("other", "cart", 8080, 0, 20)]
    assert counted(listening, chunk(AFTER_S - 1, (1, 8080, 0, 20)))
    assert not counted(listening, chunk(AFTER_S, (1, 8080, 0, 20)))
