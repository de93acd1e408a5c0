"""What the watch says of silence."""

import pytest

from actors.incidents.incidents import Incidents, Times
from actors.items import Chunk, Tick, Window
from actors.trouble.instances import Instance
from actors.trouble.items import Look
from actors.trouble.watch import Watch
from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.kinds.workload import OTHER, WORKLOAD
from model.ledger import Ledger

BEGIN = 1_800_000_000
TABLE = [
    OTHER,
    Instance("web", "Deployment", "shop", "a", "1", "n1", "", "web-1"),
    Instance("web", "Deployment", "shop", "a", "1", "n2", "", "web-2"),
    Instance("cart", "Deployment", "shop", "a", "1", "n3", "", "cart-1"),
    Instance("batch", "Deployment", "shop", "a", "1", "n1", "", "batch-1"),
]


def window(second: int, clients: list[int], failed: list[int]) -> Window:
    """A second in which these call cart ten times each."""
    columns = WORKLOAD.empty(len(clients))
    columns["client.workload.index"][:] = clients
    columns["server.workload.index"][:] = 3
    columns["connections.failed"][:] = failed
    columns["connections.opened"][:] = [10 - each for each in failed]
    return Window(
        BEGIN + second, (Batch(WORKLOAD, "n", "b", 0, BEGIN + second, columns, {"workloads": TABLE}),)
    )


def ledger(node: str) -> Chunk:
    stages = {"sockets": {"received": 1000, "dropped": {}}}
    return Chunk(Batch(LEDGER, node, "boot", 0, 0, {}, head={"stages": stages}))


def looks(watch: Watch, *nows: float) -> list[float]:
    """When it says at these times that there is no data; Unix seconds."""
    found = [item for now in nows for item in watch.handle(Tick(now))]
    assert all(isinstance(item, Look) and item.tick.blind for item in found)
    return [item.tick.at for item in found]


def test_silence_is_told_once_for_each_tick_that_is_missing() -> None:
    watch = Watch(Ledger(), tick_s=10)
    assert looks(watch, 5.0, 500.0) == []  # nothing ever came
    list(watch.handle(Window(1000, ())))
    assert looks(watch, 501.0, 511.0, 520.0) == []
    assert looks(watch, 521.5, 522.0, 530.9) == [1020.0]
    assert looks(watch, 531.5) == [1030.0]
    list(watch.handle(Window(1031, ())))
    assert looks(watch, 532.0, 540.0, 551.0) == []
    assert looks(watch, 552.5) == [1050.0]


def test_health_of_others_ends_no_trouble_of_a_machine_that_is_gone() -> None:
    """Calls of n1 fail, then its agent is gone; n2 is well all the time. The end comes with n1."""
    watch, incidents, events = Watch(Ledger()), Incidents(Times(hold=10)), []
    for second in range(1500):
        gone, ill = 720 <= second < 1120, 600 <= second < 720
        for node in ("n2", "n3") if gone else ("n1", "n2", "n3"):
            list(watch.handle(ledger(node)))
        clients, failed = ([2], [0]) if gone else ([1, 2], [9 * ill, 0])
        for item in watch.handle(window(second, clients, failed)):
            if isinstance(item, Look):
                told = [(change.event, change.incident) for change in incidents.tick(item.tick)]
                events += [(second, event, incident.blind_since > 0) for event, incident in told]
    (opened,) = (second for second, event, _ in events if event == "open")
    (silent,) = (second for second, event, blind in events if event == "update" and blind)
    (resolved,) = (second for second, event, _ in events if event == "resolve")
    assert 600 < opened < 720 < silent < 1120 < resolved


@pytest.mark.parametrize(("away", "told"), [(False, ["vanished", "returned"]), (True, [])])
def test_edges_of_a_machine_that_says_nothing_have_not_vanished(away: bool, told: list[str]) -> None:
    """Its machine is heard of, or not, while batch is silent; others of cart's callers go on."""
    watch, events = Watch(Ledger()), []
    for second in range(1800):
        gone = 1000 <= second < 1500
        for node in ("n2", "n3") if gone and away else ("n1", "n2", "n3"):
            list(watch.handle(ledger(node)))
        clients = [2] if gone else [2, 4]
        looks = watch.handle(window(second, clients, [0] * len(clients)))
        events += [event.what for look in looks if isinstance(look, Look) for event in look.events]
    assert events == told


def test_what_others_see_of_an_edge_is_no_health_of_a_machine_that_is_gone() -> None:
    """The finding goes on for a while in any case: meanwhile it is said that there is no data, once."""
    watch, incidents, events = Watch(Ledger(), tick_s=1), Incidents(Times(hold=1)), []
    for second in range(100):
        gone, ill = second >= 46, 40 <= second < 46
        for node in ("n2", "n3") if gone else ("n1", "n2", "n3"):
            list(watch.handle(ledger(node)))
        clients, failed = ([2], [0]) if gone else ([1, 1, 1, 2], [9 * ill, 9 * ill, 9 * ill, 0])
        for look in watch.handle(window(second, clients, failed)):
            if isinstance(look, Look):
                told = incidents.tick(look.tick)
                events += [(change.event, change.incident.blind_since - BEGIN) for change in told]
    (incident,) = incidents
    assert events == [("open", -BEGIN), ("update", 47)]
    assert (incident.state, incident.healthy_s) == ("open", 0.0)
