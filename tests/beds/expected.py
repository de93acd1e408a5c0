"""What can be told of connections by a node that reports only some of the namespaces that they go through."""

from collections.abc import Callable, Iterator, Sequence

from tests.beds.check import Case
from tests.beds.kernel_view import Rewritings, resolve, resolve_back
from tests.beds.truth import Ends, Exchange

#: Whether the client's and the server's socket of a connection are seen.
Reports = Callable[[Exchange], tuple[bool, bool]]


def expected_cases(
    exchanges: Sequence[Exchange], tables: Sequence[Rewritings], reports: Reports
) -> Iterator[Case]:
    """One case for a connection of which both ends are seen and lead to each other, else one for each end seen.

    :param tables: of the namespaces that are seen, in the order of the way.
    """
    near = set(_near(exchanges, reports))
    for exchange in exchanges:
        client, server = reports(exchange)
        ahead = tuple(resolve(exchange.client, tables))
        back = tuple(resolve_back(exchange.server, tables))
        if client and server and ahead[-1] == exchange.server:
            yield Case(exchange, ahead)
            continue
        if client:
            evidence = "client" if ahead[-1].destination in near else _alone(ahead)
            yield Case(exchange, ahead, server=False, evidence=evidence)
        if server:
            evidence = "server" if back[0].source in near else _alone(back)
            yield Case(exchange, back, client=False, evidence=evidence)


def _near(exchanges: Sequence[Exchange], reports: Reports) -> Iterator[str]:
    """Addresses of sockets that report."""
    for exchange in exchanges:
        client, server = reports(exchange)
        if client:
            yield exchange.client.source
        if server:
            yield exchange.server.destination


def _alone(chain: Sequence[Ends]) -> str:
    """The evidence if nothing is known of the other end but where it is."""
    return "nat" if len(chain) > 1 else "address"
