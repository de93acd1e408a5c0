"""A Tailrace that links requests through Envoys, and what its rows say of them."""

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.beds.envoys import Passed, free_ports
from tests.beds.processes import read_log
from tests.kernel.loopback import until

START_SECONDS = 120
SETTLE_SECONDS = 30
#: Processes are looked at once a second, and again two seconds later.
SECONDS_TO_FIND = 4
TAILRACE = str(Path(sys.executable).parent / "tailrace")


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[tuple[Path, str]]:
    """The rows of a Tailrace that has begun, and where its map is."""
    rows, settings = folder / "rows.jsonl", folder / "tailrace.yaml"
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    settings.write_text(
        "http: {enabled: on, children: 1000}\nenvoy: {enabled: on}\nnat: {source: off}\n"
        f"store: {{enabled: on, path: {folder / 'store'}}}\n"
        f"web: {{enabled: on, listen: '{listen}', requests_per_second: 1000}}\n"
    )
    command = [TAILRACE, "run", "--config", str(settings)]
    command += ["--stage", "requests,flows,endpoints", "--sink", f"jsonl:{rows}"]
    kept = os.environ | {"TAILRACE_STORE_ENABLED": "on"}
    process = subprocess.Popen(command, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        begun = until(lambda: process.poll() is not None or bool(read_log(rows)), START_SECONDS)
        assert begun
        assert process.poll() is None, process.communicate()[1]
        yield rows, f"http://{listen}"
    finally:
        process.kill()
        process.communicate()


def ledgers(rows: Path) -> list[dict[str, Any]]:
    """The stages of each second."""
    return [row["stages"] for row in read_log(rows) if row["kind"] == "ledger"]


def attached(rows: Path, before: int) -> bool:
    """Whether probes are in the Envoys' file, for this and for TLS, some seconds behind the first so many."""
    stages = ledgers(rows)
    if len(stages) < before + SECONDS_TO_FIND:
        return False
    noted = [stages[-1].get(name, {}).get("noted", {}) for name in ("envoy", "tls")]
    return all(one.get("attached", 0) > one.get("left", 0) for one in noted)


def passed_on(rows: Path, proxy: int) -> Passed:
    """What rows say that one proxy passed on: ports of both connections, method, route, status."""
    all_rows = read_log(rows)
    flows = {row["connection.id"]: row["client.port"] for row in all_rows if row["kind"] == "flow"}
    found: Passed = Counter()
    for row in all_rows:
        if row["kind"] == "request" and row.get("via.process.pid") == proxy:
            key = (row["client.port"], flows[row["via.connection.id"]], row["http.request.method"])
            found[*key, row["http.route"], row["http.response.status_code"]] += row["requests"]
    return found
