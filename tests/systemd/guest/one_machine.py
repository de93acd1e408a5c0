"""``tailrace.service`` from its start to its end: what a user of it meets, and what happens to it."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.systemd.guest.installation import HANG, lay_out
from tests.systemd.guest.traffic import calling, chatting, reported, rows, sent, strange, talk
from tests.systemd.guest.unit import Unit, note, rights, until

CONFIG: Final = Path("/etc/tailrace/tailrace.yaml")
FLOWS: Final = "/var/log/tailrace/flows.jsonl"
SECOND: Final = "/var/log/tailrace/second.jsonl"
_MORE: Final = "enrichers: [{name: hang}]\nnames: {192.0.2.9: before}\n"


def main() -> None:
    """All of it in turn, in one boot."""
    lay_out()
    shipped = CONFIG.read_text()
    CONFIG.write_text(shipped + _MORE)
    unit = Unit("tailrace")
    unit.drop_in("WatchdogSec=3")
    start(unit)
    reload(unit, shipped)
    refuse(unit)
    kill(unit)
    hang(unit)
    stop(unit)
    stop_without_servers(unit, shipped)
    outgrow(unit)
    sandboxed_selftest(unit)


def start(unit: Unit) -> None:
    """Ready when hooks are attached: what comes at once is reported."""
    seconds = unit.do("start")
    note("ready", [unit.show("ActiveState"), unit.show("StatusText"), round(seconds, 1)])
    port = talk(4321)
    note("rows", reported(FLOWS, port, 4321))
    note("named", name_of_stranger(8107))
    note("rights", rights(unit))


def name_of_stranger(port: int) -> str:
    """What a configured name calls an address of which only the client is seen."""

    def name() -> str:
        return next((str(row.get("server.entity", {}).get("service.name")) for row in rows(FLOWS, port)), "")

    with calling("192.0.2.9", port):
        return str(until(name, "a row of the call to 192.0.2.9"))


def reload(unit: Unit, shipped: str) -> None:
    """Names, another sink and the log level, while a connection goes on."""
    more = _MORE.replace("before", "after") + "log_level: info\ntcp: {slots: 4096}\n"
    second = f"  - name: jsonl\n    settings: {{path: {SECOND}}}\n"
    process = unit.show("MainPID")
    with chatting() as port:
        until(lambda: rows(FLOWS, port), "rows before the reload")
        CONFIG.write_text(
            shipped.replace("\n# Tailrace's own figures", f"{second}\n# Tailrace's own figures") + more
        )
        unit.do("reload")
        entry = unit.said("was read again")
        until(lambda: rows(SECOND, port), "rows of the second sink")
    note("reload", [entry["MESSAGE"], entry["PRIORITY"], unit.show("MainPID") == process])
    note("renamed", name_of_stranger(8108))
    port = talk(100)
    note("both", [reported(FLOWS, port, 100), reported(SECOND, port, 100)])


def refuse(unit: Unit) -> None:
    """A broken file: the old one stays."""
    good, process = CONFIG.read_text(), unit.show("MainPID")
    CONFIG.write_text("snks: []\n")
    unit.do("reload")
    entry = unit.said("stays as it was")
    names = ("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "TAILRACE_LOGGER", "_TRANSPORT")
    note("refused", {name: entry.get(name) for name in names})
    note("code", [Path(entry["CODE_FILE"]).name, entry["CODE_LINE"].isdecimal(), bool(entry["CODE_FUNC"])])
    after = reported(FLOWS, talk(777), 777)
    note("still", [after, unit.show("MainPID") == process, unit.settled()])
    CONFIG.write_text(good)


def kill(unit: Unit) -> None:
    """SIGKILL: it comes back, and no row is there twice."""
    before = int(unit.show("NRestarts"))
    with chatting() as port:
        until(lambda: len(rows(FLOWS, port)) > 1, "rows before the kill")
        os.kill(int(unit.show("MainPID")), signal.SIGKILL)
        unit.again(before)
        known = len(rows(FLOWS, port))
        until(lambda: len(rows(FLOWS, port)) > known + 1, "rows after the kill")
    keys = [(row["connection.id"], row["window"]) for row in rows(FLOWS, port)]
    note("killed", {"rows": len(keys), "doubled": len(keys) - len(set(keys))})


def hang(unit: Unit) -> None:
    """An actor that does not return holds up the loop: the watchdog ends the process."""
    before = int(unit.show("NRestarts"))
    HANG.touch()
    strange()
    until(lambda: int(unit.show("NRestarts")) > before, "the watchdog")
    HANG.unlink()
    unit.again(before)
    note("watchdog said", unit.said("Watchdog timeout")["MESSAGE"])
    note("watchdog", reported(FLOWS, talk(555), 555))


def stop(unit: Unit) -> None:
    """What was sent just before is in the file."""
    port = talk(4242)
    seconds = unit.do("stop")
    note("stopped", [sent(FLOWS, port), unit.show("Result"), round(seconds, 2)])
    times = [
        str(entry["MESSAGE"]) for entry in unit.journal() if entry.get("SYSLOG_IDENTIFIER") == "tailrace"
    ]
    year = time.strftime("%Y-")
    note("timestamps", [message for message in times if year in message])


def stop_without_servers(unit: Unit, shipped: str) -> None:
    """One sink refuses connections, another accepts them and never answers: the file has all rows, and it ends."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = ("http://127.0.0.1:9", f"http://127.0.0.1:{silent.getsockname()[1]}")
        more = "".join(f"  - {{name: webhook, settings: {{url: {url!r}}}}}\n" for url in urls)
        mark = "\n# Tailrace's own figures"
        CONFIG.write_text(shipped.replace(mark, f"{more}{mark}"))
        unit.do("start")
        port = talk(2121)
        reported(FLOWS, port, 2121)
        port = talk(3131)
        seconds = unit.do("stop")
    note("stopped without servers", [sent(FLOWS, port), unit.show("Result"), unit.show("TimeoutStopUSec")])
    note("seconds without servers", round(seconds, 2))
    lost = {
        str(entry["MESSAGE"]).partition(":")[0]
        for entry in unit.journal()
        if "not delivered" in str(entry["MESSAGE"])
    }
    note("said without servers", sorted(lost))


def outgrow(unit: Unit) -> None:
    """More memory than it may have: the kernel ends it, systemd starts it again, the machine keeps its memory."""
    unit.drop_in("MemoryMax=40M")
    unit.do("start", "--no-block")
    until(lambda: int(unit.show("NRestarts")) > 0, "restarts")
    note("outgrown", [unit.show("MemoryMax"), unit.show("Result")])
    unit.do("stop")


def sandboxed_selftest(unit: Unit) -> None:
    """The self-test as the unit's program: with its user, its rights and its sandbox.

    But for the one directive that keeps its router, in a network namespace of its own, from forwarding.
    """
    report = Path("/run/selftest.json")
    command = "/usr/bin/tailrace selftest --quick -o json"
    unit.drop_in(
        "Type=oneshot",
        "Restart=no",
        "WatchdogSec=0",
        "ProtectKernelTunables=no",
        "ExecStart=",
        f"ExecStart={command}",
        f"StandardOutput=file:{report}",
    )
    subprocess.run(["systemctl", "start", unit.name], check=False)
    note("selftest", [unit.show("ExecMainStatus"), report.read_text()])


if __name__ == "__main__":
    main()
