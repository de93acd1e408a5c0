"""``tailrace-agent.service`` and ``tailrace-engine.service`` on one machine, with NATS between them."""

import socket
import subprocess
from pathlib import Path
from typing import Final

from tests.systemd.guest.installation import lay_out
from tests.systemd.guest.traffic import reported, talk
from tests.systemd.guest.unit import Unit, note, rights

FLOWS: Final = "/var/log/tailrace-engine/flows.jsonl"


def main() -> None:
    """Both start, rows go through both, both stop."""
    lay_out()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = f"nats-server --jetstream --store_dir /run/nats --addr 127.0.0.1 --port {port}"
    subprocess.run(["systemd-run", "--quiet", "--unit=bus", *server.split()], check=True)
    agent, engine = Unit("tailrace-agent"), Unit("tailrace-engine")
    bus = f"bus: {{url: nats://127.0.0.1:{port}}}\n"
    shipped = Path("/etc/tailrace/tailrace.yaml")
    shipped.write_text(shipped.read_text() + bus)
    sinks = f"sinks: [{{name: jsonl, settings: {{path: {FLOWS}}}}}]\n"
    Path("/etc/tailrace/engine.yaml").write_text(bus + sinks)
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
