"""``tailrace-agent.service`` and ``tailrace-engine.service`` on one machine, with NATS between them."""

from typing import Final

from tests.systemd.guest.bus import configure, start_bus
from tests.systemd.guest.installation import lay_out
from tests.systemd.guest.traffic import reported, talk
from tests.systemd.guest.unit import Unit, note, rights

FLOWS: Final = "/var/log/tailrace-engine/flows.jsonl"


def main() -> None:
    """Both start, rows go through both, both stop."""
    lay_out()
    configure(start_bus(), FLOWS)
    agent, engine = Unit("tailrace-agent"), Unit("tailrace-engine")
    for unit in (engine, agent):
        unit.do("start")
    note("active", [unit.show("ActiveState") for unit in (engine, agent)])
    note("rights", [rights(unit) for unit in (engine, agent)])
    note("rows", reported(FLOWS, talk(54321), 54321))
    engine.do("reload")
    after = reported(FLOWS, talk(1234), 1234)
    note("reloaded", [engine.settled(), after])
    for unit in (agent, engine):
        unit.do("stop")
    note("stopped", [unit.show("Result") for unit in (engine, agent)])


if __name__ == "__main__":
    main()
