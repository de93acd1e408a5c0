"""Several engines judge as one that sees everything: each edge once, by all that was seen of it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from actors.items import Window
from actors.rules.grammar import alert_rule
from actors.rules.rules import Rules
from actors.trouble.counted import Counted, CountedRows, decoded, encoded
from actors.trouble.counting import Counting
from actors.trouble.gathered import Gathering
from actors.trouble.items import Look
from actors.trouble.shared_watch import ILL, Ill, KeptState, SharedWatch
from actors.trouble.watch import Watch
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.ledger import Ledger
from tests.unit.engine.troubled import BEGIN, TABLE, window

TICK_S = 10
FIRST = BEGIN // TICK_S


def rules() -> Rules:
    return Rules([alert_rule("refused", "failed > 20% for 30s where ns:shop", "critical", 1)])


def second(at: int, ill: range) -> Window:
    """Connects, and requests of both clients to checkout, of which version 2 fails some while it refuses."""
    whole = window(at, refuses=at in ill)
    (rows,) = whole.batches
    rows.columns["requests"][:] = 20
    rows.columns["requests.failed"][:] = 10 * (at in ill) * (rows.columns["server.workload.index"] == 5)
    columns = ENDPOINT.empty(4)
    for row, (client, server) in enumerate([(1, 3), (2, 3), (1, 5), (2, 5)]):
        columns["client.workload.index"][row], columns["server.workload.index"][row] = client, server
        columns["server.port"][row], columns["requests"][row] = 8080, 20
        columns["requests.failed"][row] = 10 * (at in ill and server == 5)
    tables = {"workloads": TABLE, "routes": ["/pay"]}
    return Window(
        whole.number, (*whole.batches, Batch(ENDPOINT, "n1", "boot", at, BEGIN + at, columns, tables))
    )


def part(whole: Window, number: int, of: int) -> Window:
    """What one engine joins of a second."""
    batches = (
        replace(each, columns={name: column[number::of] for name, column in each.columns.items()})
        for each in whole.batches
    )
    return Window(whole.number, tuple(batches))


def over_a_bus(items: Iterable[Counted]) -> Iterator[Counted]:
    return (decoded(data) for item in items for data in encoded(item, 2000))


def looks(items: Iterable[object]) -> list[Look]:
    return [item for item in items if isinstance(item, Look)]


class Cluster:
    """Engines, and who judges."""

    def __init__(self, engines: int) -> None:
        self.engines = [Counting(Ledger(), TICK_S, rules()) for _ in range(engines)]
        self.judge = SharedWatch(Ledger(), {}, TICK_S, rules())
        self.kept: dict[str, bytes] = {}
        self.ill: list[int] = []

    def second(self, whole: Window, silent: int = -1) -> list[Look]:
        """What is said after all engines saw their parts; one may not tell."""
        found: list[object] = []
        for number, engine in enumerate(self.engines):
            for counted in over_a_bus(engine.handle(part(whole, number, len(self.engines)))):
                if number != silent:
                    found += self.judge.add(f"engine-{number}", counted)
        for item in found:
            if isinstance(item, KeptState):
                self.kept[item.key] = item.data
            elif isinstance(item, Ill):
                self.ill.append(len(item.edges))
                for engine in self.engines:
                    engine.ill = item.edges
        return looks(found)


def test_three_engines_find_what_one_finds_that_sees_all() -> None:
    """Troubles, counts, causes and broken rules are the same, tick by tick; the first tick alone is not judged."""
    alone, cluster = Watch(Ledger(), tick_s=TICK_S, rules=rules()), Cluster(3)
    ill = range(200, 280)
    both: list[tuple[list[Look], list[Look]]] = []
    for at in range(1, 350):
        whole = second(at, ill)
        # of the first tick, which is not whole, what one engine tells is waited for
        seen = part(whole, 0, 3) if at < TICK_S else whole
        both.append((looks(alone.handle(seen)), cluster.second(whole)))
    one, three = ([look for pair in both for look in pair[number]] for number in (0, 1))
    assert len(one) == len(three) == 35
    assert [look.tick.blind for look in three] == [True] + [False] * 34
    found = {trouble.key.partition("/")[2] for look in three for trouble in look.tick.troubles}
    assert found == {"connect_failed", "request_failed", "refused/shop/checkout"}, found
    assert three == one
    assert cluster.ill[0] > 0


def test_what_an_engine_did_not_tell_is_missing_and_no_health() -> None:
    cluster = Cluster(2)
    ill = range(200, 600)
    told = [look for at in range(260) for look in cluster.second(second(at, ill))]
    assert told[-1].tick.troubles
    silent = [look for at in range(260, 350) for look in cluster.second(second(at, ill), silent=1)]
    assert [look.tick.blind for look in silent] == [True, True] + [False] * (len(silent) - 2)
    assert all(not look.tick.troubles and look.tick.unknown for look in silent[:2] if not look.tick.troubles)
    assert all(look.tick.troubles for look in silent[2:]), "the engine is gone: others have its connections"


def test_the_next_that_judges_goes_on_where_the_one_before_was() -> None:
    """What fails since before stays a finding, and is not taken for usual; nothing has to be taught anew."""
    cluster = Cluster(2)
    ill = range(230, 2000)
    before = [look for at in range(300) for look in cluster.second(second(at, ill))][-1]
    assert {ILL, "00", "63"} <= cluster.kept.keys()
    cluster.judge = SharedWatch(Ledger(), cluster.kept, TICK_S, rules())
    after = [look for at in range(300, 600) for look in cluster.second(second(at, ill))]
    assert after[0].tick.blind
    for look in after[1:]:
        detected = {each.key: each.since for each in look.tick.troubles if not each.rule}
        assert detected == {each.key: each.since for each in before.tick.troubles if not each.rule}


def test_counts_of_other_rules_are_missing() -> None:
    """While engines are configured anew one after the other."""
    judge, ledger = SharedWatch(Ledger(), {}, TICK_S, Rules(())), Ledger()
    with_rules, without = Counting(Ledger(), TICK_S, rules()), Counting(ledger, TICK_S, Rules(()))
    told = [
        look
        for at in range(40)
        for name, engine in (("with", with_rules), ("without", without))
        for counted in engine.handle(second(at, range(0)))
        for look in looks(judge.add(name, counted))
    ]
    assert [look.tick.blind for look in told] == [True] * 4


def test_rules_are_taken_over_as_soon_as_engines_count_for_them() -> None:
    """One engine after the other: only ticks in which they differ are missing; what is known of others stays."""
    cluster, ill = Cluster(2), range(10, 2000)
    told = [look for at in range(60) for look in cluster.second(second(at, ill))]
    (refused,) = told[-1].tick.troubles
    other = alert_rule("any", "failed > 1% for 30s by all", "critical", 1)
    again = alert_rule("refused", "failed > 20% for 30s where ns:shop", "critical", 1)
    for each in (cluster.judge, cluster.engines[0]):
        each.replace([other, again])
    differ = [look for at in range(60, 90) for look in cluster.second(second(at, ill))]
    cluster.engines[1].replace([other, again])
    same = [look for at in range(90, 180) for look in cluster.second(second(at, ill))]
    assert [look.tick.blind for look in differ + same] == [False, True, True, True] + [False] * 8
    troubles = {each.rule: each for each in same[-1].tick.troubles}
    assert set(troubles) == {"any", "refused"}
    assert troubles["refused"].since == refused.since
    assert troubles["refused"].where == refused.where == troubles["any"].where


def test_beyond_the_limit_the_least_is_left_out_and_the_tick_is_not_whole() -> None:
    ledger = Ledger()
    engine = Counting(ledger, TICK_S, Rules(()), most=4)
    (counted,) = (item for at in range(TICK_S) for item in engine.handle(window(at)))
    assert (len(counted.connections.client), counted.complete) == (4, False)
    assert ledger.stages["detector"].noted["rows_not_counted"] > 0


def test_silence_of_all_engines_is_told_once_for_each_tick() -> None:
    cluster = Cluster(1)
    assert looks(cluster.judge.time(5.0)) == []
    for at in range(TICK_S):
        cluster.second(second(at, range(0)))
    assert [looks(cluster.judge.time(now)) for now in (10.0, 29.0)] == [[], []]
    (blind,) = looks(cluster.judge.time(30.5))
    assert (blind.tick.blind, blind.tick.at) == (True, (FIRST + 2) * TICK_S)
    assert looks(cluster.judge.time(31.0)) == []


def told(tick: int, parts: int = 1) -> Counted:
    nobody = np.zeros(0, np.int64)
    none = CountedRows(nobody, nobody, nobody, np.zeros((0, 1), np.float32))
    return Counted(tick, True, [], {}, [], [], none, none, 0, parts)


def test_an_engine_that_is_late_is_waited_for_and_then_missing() -> None:
    """Two ticks long; after four the engine is gone, and missed no more."""
    gathering = Gathering()
    first = [*gathering.add("two", told(10)), *gathering.add("one", told(10))]
    assert ([each.tick for each in first], gathering.late) == ([10], 1)
    found = [each for tick in range(11, 20) for each in gathering.add("one", told(tick))]
    assert [each.tick for each in found] == list(range(11, 20))
    assert [each.missing for each in found] == [True, True] + [False] * 7


def test_a_part_that_got_lost_is_missing() -> None:
    gathering = Gathering()
    list(gathering.add("one", told(10)))
    assert list(gathering.add("one", told(11, parts=2))) == []
    (whole,) = gathering.add("one", told(11, parts=2))
    assert (whole.missing, len(whole.parts)) == (False, 2)
    assert list(gathering.add("one", told(12, parts=2))) == []
    lost, then = gathering.add("one", told(13))
    assert (lost.missing, then.missing) == (True, False)
