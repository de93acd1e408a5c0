"""Faults of the fleet: each hits services of its own, so that all can be there at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.beds.fleet import SECOND_PORT, Fleet

_ANY: Final = ("warning", "error", "critical")
_UNANSWERED: Final = "of connects given up without an answer"


@dataclass(frozen=True)
class Fault:
    """What is done, and what is to be said of it.

    :param services: who is hit.
    :param where: what separates.
    :param words: of the headline.
    :param dropped: what kernels say of its packets.
    :param answered: what requests that failed were answered.
    :param severities: of the first message: slow or retransmitted traffic, which may be seen first, is a warning.
    """

    make: Callable[[Fleet], None]
    services: tuple[str, ...]
    where: dict[str, str]
    words: str = ""
    dropped: str = ""
    answered: str = ""
    severities: tuple[str, ...] = ("error", "critical")


FAULTS: Final = {
    "a version refuses": Fault(
        lambda fleet: fleet.refuse("checkout-3", "checkout-4"),
        ("checkout",),
        {"server.version": "v2"},
        "of connects refused",
    ),
    "packets of a pod are lost": Fault(
        lambda fleet: fleet.lose("search-2", 0.2),
        ("search",),
        {"server.instance": "search-2"},
        dropped="by netfilter in namespace ",
        severities=_ANY,
    ),
    "a pod does nothing": Fault(
        lambda fleet: fleet.stop("cart-1"), ("cart",), {"server.instance": "cart-1"}, severities=_ANY
    ),
    "a port is blocked": Fault(
        lambda fleet: fleet.block(SECOND_PORT, "ledger-1", "ledger-2", "ledger-3"),
        ("ledger",),
        {"server.port": f"{SECOND_PORT}"},
        _UNANSWERED,
        "by netfilter in 3 namespaces of ",
    ),
    "a node is dead": Fault(
        lambda fleet: fleet.kill_node("n3"), ("profile", "stock"), {"server.node": "n3"}, _UNANSWERED
    ),
    "a route fails": Fault(
        lambda fleet: fleet.fail("/pay", "api-1", "api-2"),
        ("api",),
        {"route": "/pay"},
        "of requests failed",
        answered="503 (100 %)",
    ),
    "a resolver answers SERVFAIL": Fault(
        lambda fleet: fleet.lose_upstream("resolver-2", "resolver-3"),
        ("resolver",),
        {"server.version": "v2"},
        "of DNS queries failed",
    ),
}
