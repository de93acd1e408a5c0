"""The life of incidents: one for each cause, quiet where nothing is new, and never well by silence."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from actors.incidents.incidents import Incidents
from actors.incidents.items import Change, Incident, Silence, Tick, Trouble
from actors.incidents.message import Facts, alert_of
from model.errors import UsageError

BAD = Trouble("a>b:80/refused", "shop/b", "connect_refused", 0.0, 0.3, 0.001, 30, 100, frozenset({"a>b:80"}))


def run(
    incidents: Incidents, seconds: Iterable[int], troubles: Sequence[Trouble] = (), blind: bool = False
) -> list[Change]:
    """A tick a second."""
    return [change for at in seconds for change in incidents.tick(Tick(float(at), tuple(troubles), blind))]


def events(changes: Iterable[Change]) -> list[tuple[float, str]]:
    return [(change.incident.at, change.event) for change in changes]


def edge(name: str, **changed: object) -> Trouble:
    return replace(BAD, key=f"{name}/refused", edges=frozenset({name}), **changed)  # type: ignore[arg-type]


def test_trouble_that_lasts_opens_and_health_that_lasts_resolves() -> None:
    incidents = Incidents()
    changes = run(incidents, range(100), [BAD]) + run(incidents, range(100, 400))
    assert events(changes) == [(20, "open"), (219, "resolve")]
    assert len({change.incident.key for change in changes}) == 1
    assert [change.incident.revision for change in changes] == [1, 2]


def test_trouble_that_passes_is_no_incident() -> None:
    incidents = Incidents()
    assert run(incidents, range(15), [BAD]) + run(incidents, range(15, 300)) == []
    assert incidents.counts == {"dropped": 1}


def test_a_node_that_hits_200_edges_is_one_incident() -> None:
    """However they trickle in, and with the symptom of the node itself."""
    names = [f"client-{number}>s:80" for number in range(200)]
    edges = [edge(name, subject=name, where={"server.node": "n7"}) for name in names]
    node = replace(BAD, key="n7/resets", symptom="resets", subject="n7", edges=frozenset(names))
    incidents = Incidents()
    changes = [change for at in range(60) for change in run(incidents, [at], [*edges[: at * 10], node])]
    assert {change.incident.key for change in changes} == {next(iter(incidents)).key}
    assert [change.event for change in changes].count("open") == 1
    assert (next(iter(incidents)).edge_count, len(list(incidents))) == (200, 1)


def test_two_causes_are_two_incidents() -> None:
    """Of one version and of another node: neither traffic nor explanation overlaps."""
    one, two = edge("a>b:80", where={"server.version": "v2"}), edge("c>d:90", where={"server.node": "n3"})
    changes = run(Incidents(), range(30), [one, two])
    assert events(changes) == [(20, "open"), (20, "open")]


@pytest.mark.parametrize(("after", "incidents"), [(300, 1), (3600, 2)])
def test_a_wide_fault_is_no_part_of_what_one_of_its_edges_has_had_for_an_hour(
    after: float, incidents: int
) -> None:
    """Though that edge has the new fault as well, and the same server's edges are told together."""
    names = [f"client-{number}>s-{number}:80" for number in range(20)]
    old = edge(names[0], symptom="drop")
    new = [
        replace(edge(name, since=after, where={"node": "n7"}), key=f"{name}/resets", symptom="resets")
        for name in names
    ]
    of_all = Incidents()
    run(of_all, range(int(after), int(after) + 30), [old])
    run(of_all, range(int(after) + 30, int(after) + 120), [old, *new])
    assert sorted(each.edge_count for each in of_all) == [1, 20][-incidents:]


def test_what_comes_later_to_edges_that_are_ill_is_a_part_of_their_incident() -> None:
    names = frozenset(f"client-{number}>s:80" for number in range(20))
    wide, later = replace(BAD, edges=names), edge("client-3>s:80", since=3600.0)
    of_all = Incidents()
    run(of_all, range(3600, 3630), [wide, later])
    assert len(list(of_all)) == 1


def test_what_hits_everything_is_one_incident_of_each_symptom() -> None:
    """Also what comes to it later, whoever that is; trouble that nothing explains yet stays by itself."""
    names = [f"client-{number}>s-{number}:80" for number in range(60)]
    troubles = [edge(name, everywhere=True) for name in names]
    reset = [
        replace(each, key=f"{each.key}/r", symptom="reset", edges=frozenset({each.key})) for each in troubles
    ]
    of_all = Incidents()
    for at in range(60):
        run(of_all, [at], [*troubles[: 10 + at], *reset[: 10 + at], edge("a>b:80")])
    assert sorted(len(each.edges) for each in of_all) == [1, 60, 60]


def test_a_part_of_an_explanation_is_the_same_cause() -> None:
    one = edge("a>b:80", where={"server.version": "v2"})
    two = edge("c>d:90", where={"server.version": "v2", "server.zone": "z1"})
    assert events(run(Incidents(), range(30), [one, two])) == [(20, "open")]


@pytest.mark.parametrize(
    ("where", "other", "opened"),
    [
        ({"client.zone": "a"}, {"server.zone": "a"}, 1),
        ({"client.node": "n1"}, {"node": "n1"}, 1),
        ({"zone": "a"}, {"client.zone": "a", "server.workload": "shop/s"}, 1),
        ({"client.zone": "a"}, {"server.zone": "b"}, 2),
        ({"client.version": "v2"}, {"server.version": "v2"}, 2),
    ],
)
def test_a_place_is_one_cause_whichever_end_is_there(
    where: dict[str, str], other: dict[str, str], opened: int
) -> None:
    troubles = [edge("a > b:80", where=where), edge("c > d:90", where=other)]
    assert events(run(Incidents(), range(30), troubles)) == [(20, "open")] * opened


@pytest.mark.parametrize(
    ("where", "server", "opened"),
    [
        ({"server.version": "v2"}, "d", 2),  # by chance two services have a version of that name
        ({"server.port": "80", "method": "GET"}, "d", 2),
        ({"server.version": "v2"}, "b", 1),
        ({"server.version": "v2", "server.zone": "z1"}, "d", 1),
        ({"server.node": "n3"}, "d", 1),
    ],
)
def test_what_is_said_within_a_workload_is_no_cause_of_another_s_other_symptom(
    where: dict[str, str], server: str, opened: int
) -> None:
    one = edge("a > b:80", where=where)
    two = replace(edge(f"c > {server}:53", where=where), symptom="dns_error")
    for troubles in ([one, two], [two, one]):
        assert events(run(Incidents(), range(30), troubles)) == [(20, "open")] * opened
        later = Incidents()
        changes = run(later, range(30), troubles[:1]) + run(later, range(30, 60), troubles)
        assert [event for _, event in events(changes)].count("open") == opened


def test_the_key_stays_when_explanation_and_numbers_change() -> None:
    incidents = Incidents()
    first = run(incidents, range(30), [BAD])
    later = replace(
        BAD, share=0.9, bad=90, where={"server.version": "v2"}, subject="shop", severity="critical"
    )
    changes = run(incidents, range(30, 200), [later])
    assert events(changes) == [(30, "update")]
    assert changes[0].incident.key == first[0].incident.key
    assert (changes[0].incident.where, changes[0].incident.share) == ({"server.version": "v2"}, 0.9)


def test_what_is_only_different_is_told_once_a_minute() -> None:
    incidents = Incidents()
    run(incidents, range(30), [BAD])
    shares = [replace(BAD, share=0.1 if second % 2 else 0.5) for second in range(300)]
    changes = [change for at, trouble in enumerate(shares) for change in run(incidents, [30 + at], [trouble])]
    assert 2 <= len(changes) <= 5


def test_what_turns_out_to_be_one_is_merged_into_the_elder() -> None:
    incidents = Incidents()
    one, two = edge("a>b:80"), edge("c>d:90")
    opened = run(incidents, range(10), [one]) + run(incidents, range(10, 40), [one, two])
    changes = run(
        incidents, range(40, 50), [replace(each, where={"server.node": "n7"}) for each in (one, two)]
    )
    merged = next(change.incident for change in changes if change.event == "resolve")
    assert (merged.key, merged.merged_into) == (opened[1].incident.key, opened[0].incident.key)
    assert [incident.key for incident in incidents] == [opened[0].incident.key]


def test_it_is_opened_again_within_ten_minutes() -> None:
    incidents = Incidents()
    first = run(incidents, range(30), [BAD]) + run(incidents, range(30, 600))
    again = run(incidents, range(600, 640), [BAD])
    assert events(again) == [(620, "open")]
    assert again[0].incident.key == first[0].incident.key


def test_after_ten_minutes_it_is_another_one() -> None:
    incidents = Incidents()
    first = run(incidents, range(30), [BAD]) + run(incidents, range(30, 800))
    assert list(incidents) == []
    again = run(incidents, range(800, 840), [BAD])
    assert again[0].incident.key != first[0].incident.key


def test_flapping_is_damped() -> None:
    """Forty seconds bad, then 150 well, for two hours: it ends once an hour, not each time."""
    incidents = Incidents()
    changes = [
        change for at in range(7200) for change in run(incidents, [at], [BAD] if at % 190 < 40 else [])
    ]
    assert [change.event for change in changes] == ["open", "resolve", "open", "resolve", "open"]


def test_silence_of_nodes_is_no_health() -> None:
    """For an hour, and through a restart of whoever looks; one update says it."""
    incidents = Incidents()
    run(incidents, range(30), [BAD])
    changes = run(incidents, range(30, 3630), blind=True)
    assert events(changes) == [(45, "update")]
    assert changes[0].incident.blind_since == 30
    restored = Incidents(kept=[changes[0].incident])
    assert events(run(restored, range(4000, 4100))) == []
    assert events(run(restored, range(4100, 4200))) == [(4120, "resolve")]


def test_what_was_not_looked_at_is_no_health() -> None:
    """A pause between two ticks counts for ten seconds, and a trouble of which nothing was heard for none."""
    incidents = Incidents()
    run(incidents, range(30), [BAD])
    assert run(incidents, [3600, 7200, 10800]) == []
    unknown = [incidents.tick(Tick(10800.0 + at, unknown=frozenset({BAD.key}))) for at in range(1, 300)]
    assert [change.event for changes in unknown for change in changes] == ["update"]


def test_after_a_restart_nothing_is_opened_twice() -> None:
    incidents = Incidents()
    kept = [change.incident for change in run(incidents, range(30), [BAD])]
    restored = Incidents(kept=kept)
    assert run(restored, range(40, 100), [BAD]) == []
    assert events(run(restored, range(100, 300))) == [(219, "resolve")]


def test_acknowledged_by_whom_and_when() -> None:
    incidents = Incidents()
    key = run(incidents, range(30), [BAD])[0].incident.key
    change = incidents.acknowledge(key, "ada", 31.0)
    assert (change.event, change.incident.acknowledged_by, change.incident.acknowledged_at) == (
        "update",
        "ada",
        31,
    )
    with pytest.raises(UsageError, match="no incident"):
        incidents.acknowledge("none", "ada", 31.0)


def test_what_comes_back_is_acknowledged_by_nobody() -> None:
    """Whoever looked at it saw it end; its message says since when it is back."""
    incidents = Incidents()
    key = run(incidents, range(30), [BAD])[0].incident.key
    incidents.acknowledge(key, "ada", 31.0)
    (ended,) = run(incidents, range(32, 200))
    (back,) = run(incidents, range(200, 230), [BAD])
    assert (ended.event, ended.incident.acknowledged_by) == ("resolve", "ada")
    assert (back.event, back.incident.key, back.incident.acknowledged_by) == ("open", key, "")
    assert " since 00:00:00Z, back since 00:03:40Z" in alert_of(back, Facts()).short


def silence(begins: float, until: float, where: str, **more: float) -> Silence:
    return Silence("s", where, begins, until, "deploy", "ada", 0.0, **more)


def test_a_silence_keeps_quiet_and_what_is_open_after_it_is_told() -> None:
    incidents = Incidents()
    incidents.silence(silence(0, 100, "subject:shop/* symptom:connect_refused"))
    changes = run(incidents, range(200), [BAD])
    assert [(change.incident.at, change.event, change.silent) for change in changes] == [
        (20, "open", True),
        (100, "open", False),
    ]
    assert changes[0].incident.muted_by == "s"
    assert incidents.silences == []


def test_the_end_of_what_was_told_is_told_in_a_silence() -> None:
    """And that of what was never told is not."""
    incidents = Incidents()
    run(incidents, range(30), [BAD])
    incidents.silence(silence(30, 1000, "symptom:connect_refused"))
    other = edge("x>y:1", subject="y")
    run(incidents, range(30, 60), [BAD, other])
    changes = run(incidents, range(60, 300))
    assert [(change.incident.subject, change.event, change.silent) for change in changes] == [
        ("shop/b", "resolve", False),
        ("y", "resolve", True),
    ]


def test_a_silence_that_is_lifted_is_over() -> None:
    incidents = Incidents()
    incidents.silence(silence(0, 100, "severity:error"))
    run(incidents, range(30), [BAD])
    incidents.lift("s")
    assert events(run(incidents, [30], [BAD])) == [(30, "open")]
    with pytest.raises(UsageError, match="no silence"):
        incidents.lift("s")


@pytest.mark.parametrize(
    ("at", "active"), [(99, False), (100, True), (159, True), (160, False), (86_500, True)]
)
def test_maintenance_comes_again(at: float, active: bool) -> None:
    """Each day for a minute, until its end."""
    daily = silence(100, 160, "subject:b", every_s=86_400, ends=1e6)
    assert daily.active(at) == active
    assert not daily.active(1e6 + 100)
    assert (daily.over(9e5), daily.over(1e6)) == (False, True)


def test_past_the_limit_trouble_is_counted_and_waits() -> None:
    incidents = Incidents(most=2)
    many = [edge(f"a>b:{number}") for number in range(5)]
    assert len(run(incidents, range(30), many)) == 2
    assert incidents.counts["refused"] == 90


@pytest.mark.parametrize("where", ["", " ", "colour:red"])
def test_a_silence_says_of_what(where: str) -> None:
    with pytest.raises((ValueError, UsageError)):
        silence(0, 100, where)


def test_incidents_are_data() -> None:
    """What is kept is what comes back."""
    import msgspec

    kept = run(Incidents(), range(30), [BAD])[0].incident
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Incident) == kept


def test_a_rule_that_is_broken_is_told_at_once() -> None:
    """Once, also if other trouble of the same cause is worse by turns: what is said fits the share that was told."""
    rule = replace(BAD, key="rule/r/shop/b", bad=40, share=0.4, rule="r", says="of connects failed (rule r)")
    incidents = Incidents()
    changes = run(incidents, range(30), [BAD])
    for at in range(30, 60):
        changes += run(incidents, [at], [replace(BAD, bad=100 * (at % 2)), rule])
    assert events(changes) == [(20, "open"), (30, "update")]
    (incident,) = incidents
    assert (incident.rules, incident.share, incident.says) == (["r"], 0.4, "of connects failed (rule r)")
