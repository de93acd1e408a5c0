"""The pure comparison: truth on one side, reported sockets on the other, a report as the outcome."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from model.addresses import address_text
from model.kinds.delta import Columns
from selftest.aspects import ASPECTS, evidence
from selftest.report import SHOWN_FAILURES, ByteCount, Failure, Report, Tally
from selftest.seen import Seen, seen_on_own_ground
from selftest.truth import End, Key, Truth

Pair = tuple[End | None, Seen | None]


def compare(truth: Truth, reported: Columns, ledger: Mapping[str, Any]) -> Report:
    """Compare the truth with what was reported.

    :param reported: one row for each socket, as `selftest.collect.collect` makes them.
    :param ledger: the node's loss ledger, as ``model.ledger.Ledger.as_dict`` gives it.
    """
    report = Report(aspects={aspect.name: Tally() for aspect in ASPECTS}, lost=lost_units(ledger))
    failures: list[Failure] = []
    for end, seen in match(truth.ends, seen_on_own_ground(truth, reported)):
        _count_bytes(report.tx, end.tx_bytes if end else 0, seen.tx_bytes if seen else 0)
        _count_bytes(report.rx, end.rx_bytes if end else 0, seen.rx_bytes if seen else 0)
        failures += _judge(report, end, seen)
    report.failures, report.failures_total = _varied(failures), len(failures)
    return report


def lost_units(ledger: Mapping[str, Any]) -> int:
    """Units dropped at all stages of a ledger together."""
    return sum(sum(stage.get("dropped", {}).values()) for stage in ledger.values())


def match(ends: Iterable[End], seens: Iterable[Seen]) -> Iterator[Pair]:
    """Each end with its report; an end without one, or a report without an end, stands alone.

    Both are joined by network namespace and addresses; where these were used again, by their order in time.
    """
    made: dict[Key, list[End]] = defaultdict(list)
    came: dict[Key, list[Seen]] = defaultdict(list)
    for end in ends:
        made[end.key].append(end)
    for seen in seens:
        came[seen.key].append(seen)
    for key in made | came:
        first = sorted(made.get(key, ()), key=_end_time)
        second = sorted(came.get(key, ()), key=lambda seen: (seen.opened_at_ns, seen.window, seen.generation))
        yield from _align(first, second)


def _end_time(end: End) -> int:
    return 0 if end.adopted else end.opened_at_ns


def _align(ends: Sequence[End], seens: Sequence[Seen]) -> Iterator[Pair]:
    """Pairs in order; where one side is shorter, each of its items takes the nearest in time that is left."""
    end_times, seen_times = [_end_time(end) for end in ends], [seen.opened_at_ns for seen in seens]
    if len(ends) <= len(seens):
        chosen = dict(zip(_nearest(end_times, seen_times), ends, strict=True))
        yield from ((chosen.get(index), seen) for index, seen in enumerate(seens))
    else:
        taken = dict(zip(_nearest(seen_times, end_times), seens, strict=True))
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


def _judge(report: Report, end: End | None, seen: Seen | None) -> list[Failure]:
    """Count one pair in the report; what is wrong about it."""
    if end is None:
        assert seen is not None
        report.phantoms += 1
        came = f"{seen.tx_bytes} bytes sent, {seen.rx_bytes} received by {seen.comm} ({seen.pid})"
        return [Failure("phantom", _text(seen), "socket", "none", came)]
    sockets, kind = report.sockets, report.kinds.setdefault(end.kind, Tally())
    failures = _judge_aspects(report, end, seen)
    for tally in (sockets, kind):
        tally.made += 1
        tally.missing += seen is None
        tally.wrong += bool(seen and failures)
        tally.right += bool(seen and not failures)
    if seen is None:
        what = f"one of {end.comm} ({end.pid}), {end.tx_bytes} bytes sent, {end.rx_bytes} received"
        return [Failure(end.kind, _text(end), "socket", what, "none")]
    return failures


def _judge_aspects(report: Report, end: End, seen: Seen | None) -> list[Failure]:
    failures = []
    for aspect in ASPECTS:
        if not aspect.applies(end):
            continue
        tally = report.aspects[aspect.name]
        tally.made += 1
        if seen is None:
            tally.missing += 1
            continue
        expected, came = aspect.expected(end), aspect.came(seen)
        owner = aspect.name == "owners"
        if expected == came:
            tally.right += 1
            if owner:
                report.evidence[evidence(seen)] = report.evidence.get(evidence(seen), 0) + 1
            continue
        if owner and not seen.owned:
            tally.missing += 1
        else:
            tally.wrong += 1
        came += f" as {evidence(seen)}" if owner else ""
        failures.append(Failure(end.kind, _text(end), aspect.name, expected, came))
    return failures


def _text(socket: End | Seen) -> str:
    """The connection of a socket as people write it."""
    local = _endpoint(socket.local_address, socket.local_port)
    return f"{local} → {_endpoint(socket.peer_address, socket.peer_port)}"


def _endpoint(address: bytes, port: int) -> str:
    text = address_text(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _varied(failures: list[Failure]) -> list[Failure]:
    """Some of ``failures``, taken by turns from each kind of traffic and aspect."""
    turns: Counter[tuple[str, str]] = Counter()
    numbered = []
    for failure in failures:
        turns[failure.kind, failure.aspect] += 1
        numbered.append((turns[failure.kind, failure.aspect], failure))
    return [failure for _, failure in sorted(numbered, key=lambda pair: pair[0])[:SHOWN_FAILURES]]
