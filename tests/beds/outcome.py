"""A bed when its traffic is over: the truth, what the kernel's tables had, and the flows that Tailrace reported."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tests.beds.check import Case, compare, report
from tests.beds.expected import expected_cases
from tests.beds.flows import Row
from tests.beds.kernel_view import Rewritings, conntrack
from tests.beds.scenes import ROLES, Role, Stage, place
from tests.beds.truth import Exchange
from tests.beds.watch import Territory

#: The hosts that rewrite, in the order in which connections pass them.
WAY: Sequence[Role] = ("client", "router")


@dataclass
class Outcome:
    """What is left of a bed.

    :param roles: whose an address is; all others are the router's.
    """

    exchanges: list[Exchange]
    tables: dict[Role, Rewritings]
    territory: Territory
    roles: dict[str, Role]
    rows: list[Row] = field(default_factory=list)

    def cases(self, roles: Sequence[Role] = ROLES) -> list[Case]:
        """What is expected of a node that reports the namespaces of these roles."""

        def reports(exchange: Exchange) -> tuple[bool, bool]:
            ends = exchange.client.source, exchange.server.destination
            client, server = (self.roles.get(address, "router") in roles for address in ends)
            return client, server

        return list(
            expected_cases(self.exchanges, [self.tables[role] for role in WAY if role in roles], reports)
        )

    @cached_property
    def wrong(self) -> list[str]:
        """All that is wrong for who saw everything."""
        return self.failures()

    def failures(self, roles: Sequence[Role] = ROLES) -> list[str]:
        """All that is wrong."""
        return compare(self.cases(roles), self.rows, self.territory)

    def check(self, roles: Sequence[Role] = ROLES) -> None:
        """Asserts that nothing is wrong, with a summary if something is."""
        assert self.cases(roles), "nothing was played that these roles see"
        failures = self.failures(roles)
        assert not failures, report(failures)


def outcome_of(stage: Stage) -> Outcome:
    """The truth, before the bed is gone."""
    roles = {
        address: role
        for role in ROLES
        for address in (place(stage.bed, role).ipv4, place(stage.bed, role).ipv6)
    }
    tables = {role: conntrack(place(stage.bed, role).namespace) for role in WAY}
    return Outcome(stage.truth(), tables, Territory.of(stage.bed), roles)
