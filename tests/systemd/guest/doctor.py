"""`tailrace doctor` beside the units and inside one: what it says while all is well, and while something is not."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.systemd.guest.bus import AGENT, ENGINE, configure, start_bus
from tests.systemd.guest.installation import lay_out
from tests.systemd.guest.traffic import reported, talk
from tests.systemd.guest.unit import Unit, note, until

FLOWS: Final = "/var/log/tailrace-engine/flows.jsonl"


def main() -> None:
    """All of it in turn, in one boot."""
    lay_out()
    note("at rest", doctor("--role", "engine"))
    configure(start_bus(), FLOWS)
    agent, engine = Unit("tailrace-agent"), Unit("tailrace-engine")
    for unit in (engine, agent):
        unit.do("enable", "--quiet", "--now")
    note("rows", reported(FLOWS, talk(1000), 1000))
    note("agent", doctor())
    note("engine", doctor("--role", "engine"))
    lack(agent)
    inside(agent)
    shut_out(engine)
    fail(engine)
    subprocess.run(["systemctl", "stop", "bus"], check=True)
    note("no bus", doctor("--role", "engine"))


def doctor(*options: str) -> dict[str, Any]:
    """What it says to programs, as root."""
    command = ["/usr/bin/tailrace", "doctor", "-o", "json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "said": done.stderr, **json.loads(done.stdout or "{}")}


def lack(agent: Unit) -> None:
    """Its process has one capability fewer than it uses."""
    rights = "CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_NET_BROADCAST CAP_SYS_ADMIN"
    agent.drop_in("AmbientCapabilities=", f"AmbientCapabilities={rights}")
    agent.do("restart")
    note("lacking", doctor("--role", "agent"))


def inside(agent: Unit) -> None:
    """It is the unit's program: with the unit's user, rights and sandbox."""
    agent.do("stop")
    report = Path("/run/doctor.json")
    command = f"{Path('/usr/bin/tailrace')} doctor -o json --config {AGENT}"
    agent.drop_in("Type=oneshot", "Restart=no", "WatchdogSec=0", "ExecStart=", f"ExecStart={command}",
                  f"StandardOutput=file:{report}")  # fmt: skip
    subprocess.run(["systemctl", "start", agent.name], check=False)
    note("inside", {"code": int(agent.show("ExecMainStatus")), **json.loads(report.read_text() or "{}")})


def shut_out(engine: Unit) -> None:
    """A path outside of the sandbox, and then one that the unit was given."""
    shipped = ENGINE.read_text()
    Path("/srv/rows").mkdir(parents=True)
    Path("/srv/rows").chmod(0o777)
    ENGINE.write_text(shipped.replace(FLOWS, "/srv/rows/flows.jsonl"))
    note("shut out", doctor("--role", "engine"))
    engine.drop_in("ReadWritePaths=/srv/rows")
    engine.do("restart")
    note("let in", doctor("--role", "engine"))
    ENGINE.write_text(shipped)


def fail(engine: Unit) -> None:
    """A configuration that does not exist: the unit has failed."""
    shipped = ENGINE.read_text()
    ENGINE.write_text("snks: []\n")
    subprocess.run(["systemctl", "restart", engine.name], check=False)
    until(lambda: engine.show("ActiveState") == "failed", "the engine gives up")
    note("failed", doctor("--role", "engine"))
    ENGINE.write_text(shipped)


if __name__ == "__main__":
    main()
