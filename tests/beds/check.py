"""Compares the flows of a bed with its truth: each connection once, with its own backend, its chain and its bytes."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.beds.flows import Flow, Row, ends, flows_of
from tests.beds.truth import Ends, Exchange


class Sight(Enum):
    """What of a connection Tailrace could see: evidence, and which ends and whose view of them."""

    BOTH = ("both", True, True)
    CLIENT_AND_NAT = ("nat", True, False)
    SERVER_AND_NAT = ("nat", False, True)
    CLIENT = ("address", True, False)
    SERVER = ("address", False, True)

    def __init__(self, evidence: str, client: bool, server: bool) -> None:
        self.evidence = evidence
        self.client = client
        self.server = server


@dataclass(frozen=True)
class Case:
    """A connection that took place, and how it ought to be told.

    :param rewritings: conntrack entries that rewrote it on its way.
    """

    exchange: Exchange
    rewritings: int
    sight: Sight = Sight.BOTH

    @property
    def _resolved(self) -> bool:
        return self.sight not in (Sight.CLIENT, Sight.SERVER)

    @property
    def called(self) -> Ends:
        """From the client to what it called; without NAT a server knows only what its own socket says."""
        return self.exchange.server if self.sight is Sight.SERVER else self.exchange.client

    @property
    def server(self) -> tuple[str, int]:
        """Who answered; without NAT a client knows only what it called."""
        end = self.exchange.client if self.sight is Sight.CLIENT else self.exchange.server
        return end.destination, end.destination_port

    @property
    def evidence(self) -> str:
        """One end whose peer was never rewritten says "address"."""
        return "address" if self.sight is not Sight.BOTH and not self.rewritings else self.sight.evidence

    def chain_differs(self, chain: Sequence[Ends]) -> bool:
        """Whether this is not the way from the client's tuple to the server's."""
        if not self._resolved or not self.rewritings:
            return bool(chain)
        outer = [chain[0], chain[-1]] if chain else []
        return outer != [self.exchange.client, self.exchange.server] or len(chain) != self.rewritings + 1


def differences(case: Case, flow: Flow) -> list[str]:
    """What a flow says wrongly about the connection."""
    exchange, sight = case.exchange, case.sight
    up, down = exchange.up_bytes, exchange.down_bytes
    expected: dict[str, tuple[object, object]] = {
        "server": (flow.server, case.server),
        "evidence": (flow.evidence, case.evidence),
        "stories": (flow.stories, 1),
        "bytes of the client": _bytes(flow, "client", (up, down) if sight.client else (0, 0)),
        "bytes of the server": _bytes(flow, "server", (down, up) if sight.server else (0, 0)),
        "opened": (flow.total("connection.opened"), 1),
        "closed": (flow.total("connection.closed"), 1),
        "failed": (flow.total("connection.failed"), 0),
        "unaccounted": (_unaccounted(flow), (0, 0)),
    }
    wrong = [
        f"{what} is {found}, not {wanted}" for what, (found, wanted) in expected.items() if found != wanted
    ]
    if case.chain_differs(flow.chain):
        wrong.append(f"chain is {flow.chain}, from {exchange.client} to {exchange.server}")
    return wrong


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
        name = f"{case.exchange.scene} {case.exchange.client}"
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
    return f"{len(failures)} differences\n{counts}\n" + "\n".join(failures[:20])
