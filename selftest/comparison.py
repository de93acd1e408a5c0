"""The pure comparison: truth on one side, reported sockets on the other, a report as the outcome."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from model.arrays import Columns
from selftest.aspects import ASPECTS, evidence
from selftest.report import SHOWN_FAILURES, ByteCount, Failure, Report, Tally
from selftest.reported import ReportedSocket, reported_in_scope
from selftest.truth import End, Key, Truth, endpoint

Pair = tuple[End | None, ReportedSocket | None]


def compare(truth: Truth, sockets: Columns, ledger: Mapping[str, Any]) -> Report:
    """Compare the truth with what was reported.

    :param sockets: one row for each socket, as `selftest.collect.collect` makes them.
    :param ledger: the node's loss ledger, as ``model.ledger.Ledger.as_dict`` gives it.
    """
    report = Report(aspects={aspect.name: Tally() for aspect in ASPECTS}, lost=lost_units(ledger))
    failures: list[Failure] = []
    for end, reported in match(truth.ends, reported_in_scope(truth, sockets)):
        _count_bytes(report.tx, end.tx_bytes if end else 0, reported.tx_bytes if reported else 0)
        _count_bytes(report.rx, end.rx_bytes if end else 0, reported.rx_bytes if reported else 0)
        failures += _judge(report, end, reported)
    report.failures, report.failures_total = _varied(failures), len(failures)
    return report


def lost_units(ledger: Mapping[str, Any]) -> int:
    """Units dropped at all stages of a ledger together."""
    return sum(sum(stage.get("dropped", {}).values()) for stage in ledger.values())


def match(ends: Iterable[End], sockets: Iterable[ReportedSocket]) -> Iterator[Pair]:
    """Each end with its report; an end without one, or a report without an end, stands alone.

    Both are joined by network namespace and addresses; where these were used again, by their order in time.
    """
    made: dict[Key, list[End]] = defaultdict(list)
    by_key: dict[Key, list[ReportedSocket]] = defaultdict(list)
    for end in ends:
        made[end.key].append(end)
    for socket in sockets:
        by_key[socket.key].append(socket)
    for key in made | by_key:
        first = sorted(made.get(key, ()), key=_end_time)
        second = sorted(
            by_key.get(key, ()), key=lambda each: (each.opened_at_ns, each.window, each.generation)
        )
        yield from _align(first, second)


def _end_time(end: End) -> int:
    return 0 if end.adopted else end.opened_at_ns


def _align(ends: Sequence[End], reported: Sequence[ReportedSocket]) -> Iterator[Pair]:
    """Pairs in order; where one side is shorter, each of its items takes the nearest in time that is left."""
    end_times, seen_times = [_end_time(end) for end in ends], [reported.opened_at_ns for reported in reported]
    if len(ends) <= len(reported):
        chosen = dict(zip(_nearest(end_times, seen_times), ends, strict=True))
        yield from ((chosen.get(index), reported) for index, reported in enumerate(reported))
    else:
        taken = dict(zip(_nearest(seen_times, end_times), reported, strict=True))
        yield from ((end, taken.get(index)) for index, end in enumerate(ends))


def _nearest(short: Sequence[int], long: Sequence[int]) -> list[int]:
    """For each of ``short`` an index into ``long``, rising, and near in value; both are sorted."""
    indices: list[int] = []
    for place, value in enumerate(short):
        first = indices[-1] + 1 if indices else 0
        last = len(long) - (len(short) - place)
        indices.append(min(range(first, last + 1), key=lambda index: abs(long[index] - value)))
    return indices


def _count_bytes(count: ByteCount, made: int, reported: int) -> None:
    count.made += made
    count.reported += reported
    count.difference += abs(made - reported)


def _judge(report: Report, end: End | None, reported: ReportedSocket | None) -> list[Failure]:
    """Count one pair in the report; what is wrong about it."""
    if end is None:
        assert reported is not None
        report.phantoms += 1
        found = f"{reported.tx_bytes} bytes sent, {reported.rx_bytes} received by {reported.comm} ({reported.pid})"
        return [Failure("phantom", _text(reported), "socket", "none", found)]
    sockets, kind = report.sockets, report.kinds.setdefault(end.kind, Tally())
    failures = _judge_aspects(report, end, reported)
    for tally in (sockets, kind):
        tally.made += 1
        tally.missing += reported is None
        tally.wrong += bool(reported and failures)
        tally.right += bool(reported and not failures)
    if reported is None:
        what = f"one of {end.comm} ({end.pid}), {end.tx_bytes} bytes sent, {end.rx_bytes} received"
        return [Failure(end.kind, _text(end), "socket", what, "none")]
    return failures


def _judge_aspects(report: Report, end: End, reported: ReportedSocket | None) -> list[Failure]:
    failures = []
    for aspect in ASPECTS:
        if not aspect.applies(end):
            continue
        tally = report.aspects[aspect.name]
        tally.made += 1
        if reported is None:
            tally.missing += 1
            continue
        expected, found = aspect.expected(end), aspect.reported(reported)
        owner = aspect.name == "owners"
        if expected == found:
            tally.right += 1
            if owner:
                report.evidence[evidence(reported)] = report.evidence.get(evidence(reported), 0) + 1
            continue
        if owner and not reported.owned:
            tally.missing += 1
        else:
            tally.wrong += 1
        found += f" as {evidence(reported)}" if owner else ""
        failures.append(Failure(end.kind, _text(end), aspect.name, expected, found))
    return failures


def _text(socket: End | ReportedSocket) -> str:
    """The connection of a socket as people write it."""
    local = endpoint(socket.local_address, socket.local_port)
    return f"{local} → {endpoint(socket.peer_address, socket.peer_port)}"


def _varied(failures: list[Failure]) -> list[Failure]:
    """Some of ``failures``, taken by turns from each kind of traffic and aspect."""
    turns: Counter[tuple[str, str]] = Counter()
    numbered = []
    for failure in failures:
        turns[failure.kind, failure.aspect] += 1
        numbered.append((turns[failure.kind, failure.aspect], failure))
    return [failure for _, failure in sorted(numbered, key=lambda pair: pair[0])[:SHOWN_FAILURES]]
