"""Compares the flows of a bed with its truth: each connection once, with its own backend, its chain and its bytes."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.beds.flows import Flow, Row, ends, flows_of
from tests.beds.truth import Ends, Exchange


@dataclass(frozen=True)
class Case:
    """How a connection, or what can be seen of it, ought to be told.

    :param chain: its tuples from the first that can be known to the last; a single one: nothing was rewritten.
    :param client: whether its client reports.
    :param server: whether its server reports.
    :param adopted: whether it was open before the start, and only its last half is counted.
    """

    exchange: Exchange
    chain: tuple[Ends, ...]
    client: bool = True
    server: bool = True
    evidence: str = "both"
    adopted: bool = False

    @property
    def called(self) -> Ends:
        """From the client to what it called."""
        return self.chain[0]

    @property
    def counted(self) -> tuple[int, int]:
        """Bytes up and down that are reported."""
        up, down = self.exchange.up_bytes, self.exchange.down_bytes
        return (up // 2, down // 2) if self.adopted else (up, down)


def whole(exchange: Exchange, *, rewritten: bool) -> Case:
    """Both ends are seen; each has a tuple of its own if an entry rewrote it."""
    return Case(exchange, (exchange.client, exchange.server) if rewritten else (exchange.client,))


def differences(case: Case, flow: Flow) -> list[str]:
    """What a flow says wrongly about the connection."""
    up, down = case.counted
    last = case.chain[-1]
    chain = list(case.chain) if len(case.chain) > 1 else []
    expected: dict[str, tuple[object, object]] = {
        "server": (flow.server, (last.destination, last.destination_port)),
        "chain": (flow.chain, chain),
        "evidence": (flow.evidence, case.evidence),
        "stories": (flow.stories, 1),
        "bytes of the client": _bytes(flow, "client", (up, down) if case.client else (0, 0)),
        "bytes of the server": _bytes(flow, "server", (down, up) if case.server else (0, 0)),
        "opened": (flow.total("connection.opened"), int(not case.adopted)),
        "closed": (flow.total("connection.closed"), 1),
        "failed": (flow.total("connection.failed"), 0),
        "unaccounted": (_unaccounted(flow), (0, 0)),
    }
    return [
        f"{what} is {found}, not {wanted}" for what, (found, wanted) in expected.items() if found != wanted
    ]


def _bytes(flow: Flow, side: str, wanted: tuple[int, int]) -> tuple[object, object]:
    return (flow.total(f"{side}.tx_bytes"), flow.total(f"{side}.rx_bytes")), wanted


def _unaccounted(flow: Flow) -> tuple[int, int]:
    last = flow.rows[-1]
    return last.get("bytes_unaccounted", 0), last.get("reply_bytes_unaccounted", 0)


def compare(cases: Iterable[Case], rows: Iterable[Row], ours: Callable[[Row], bool]) -> list[str]:
    """All that is wrong, a sentence each; empty if Tailrace told the truth, all of it, and nothing else.

    :param ours: whether a row is about this bed: each such row must be about a connection that took place.
    """
    found = [flow for flow in flows_of(rows) if any(ours(row) for row in flow.rows)]
    left = {id(flow): flow for flow in found}
    by_call: dict[Ends, list[Flow]] = {}
    for flow in found:
        by_call.setdefault(flow.called, []).append(flow)
    failures = []
    for case in cases:
        matching = by_call.get(case.called, [])
        for flow in matching:
            left.pop(id(flow), None)
        name = f"{case.exchange.scene} {case.called}"
        if len(matching) != 1:
            failures.append(f"{name}: {len(matching)} flows")
        failures += [f"{name}: {wrong}" for flow in matching[:1] for wrong in differences(case, flow)]
    return failures + [f"phantom: {_told(flow)}" for flow in left.values()]


def _told(flow: Flow) -> str:
    row = flow.rows[-1]
    return f"{flow.called} by {flow.server} ({flow.evidence}, {ends(row, 'client', 'server')}, {len(flow.rows)} rows)"


def report(failures: Sequence[str]) -> str:
    """A summary by scene and kind, and the first of the sentences, for the message of an assertion."""
    kinds = Counter(
        f"{line.split(' ', 1)[0]} {line.rsplit(': ', 1)[-1].split(' is ')[0][:60]}" for line in failures
    )
    counts = "\n".join(f"{count} x {kind}" for kind, count in kinds.most_common(20))
    return f"{len(failures)} differences\n{counts}\n" + "\n".join(failures[:6])
