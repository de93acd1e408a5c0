"""The sink prometheus with promtool and a real Prometheus, the dashboards and the alert rules in deploy/."""

import asyncio
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from model.batch import Batch
from model.kinds.query import ResponseCode
from model.kinds.workload import WORKLOAD
from model.transport import Transport
from sinks.prometheus.exposition import HELP
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from tailrace.testing import make_workloads
from tailrace.testing.deltas import WINDOW
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tailrace.testing.requests import make_endpoints
from tests.eventually import eventually
from tests.ports import free_port
from tests.server_process import ServerProcess, required

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))


class Prometheus:
    """A real one that scrapes one address twice a second.

    :param target: ``host:port``.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.port = free_port()
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n"
            f"rule_files: [{DEPLOY / 'prometheus' / 'alerts.yaml'}]\n"
            f"scrape_configs: [{{job_name: tailrace, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        command = [
            *("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.process = ServerProcess(command, folder, self._ready)

    def api(self, path: str, **query: str) -> Any:
        """What its HTTP API answers.

        :raises AssertionError: if it is an error.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def value(self, query: str) -> float | None:
        """The one value of a query; None for no value."""
        result = self.api("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def sink() -> PrometheusSink:
    """On a port of its own."""
    return PrometheusSink(PrometheusConfig(f"127.0.0.1:{free_port()}"))


@pytest.fixture
def prometheus(tmp_path: Path, sink: PrometheusSink) -> Iterator[Prometheus]:
    """One that scrapes the sink."""
    required("prometheus", "prometheus")
    server = Prometheus(tmp_path, sink.listen)
    server.process.start()
    yield server
    server.process.kill()


def seconds(count: int, rows: int = 200) -> list[Batch]:
    """So many seconds of the same pairs."""
    return [make_workloads(rows, seq=number, window=WINDOW + number) for number in range(count)]


async def test_promtool_finds_no_fault(sink: PrometheusSink) -> None:
    """With the names of processes that people can make, and with nothing at all."""
    required("promtool", "prometheus")
    for rows in (0, 500):
        await sink.write(make_workloads(rows))
        await sink.write(make_endpoints(rows))
        for make in (make_queries, make_drops, make_listeners):
            await sink.write(make(rows))
        checked = await asyncio.to_thread(
            subprocess.run,
            ["promtool", "check", "metrics"],
            input=sink.exposition().encode(),
            capture_output=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_promtool_takes_the_rules() -> None:
    """The example rules for alerts."""
    required("promtool", "prometheus")
    command = ["promtool", "check", "rules", str(DEPLOY / "prometheus" / "alerts.yaml")]
    checked = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert b"rules found" in checked.stdout


async def test_prometheus_has_what_the_rows_say(sink: PrometheusSink, prometheus: Prometheus) -> None:
    """Bytes, connections, failures by reason, and histograms; also after the sink was started again."""
    first, *others = seconds(4)
    await sink.open([WORKLOAD])
    await sink.write(first)
    asked = make_endpoints(100)
    await sink.write(asked)
    sent = int(first.columns["bytes"].sum())
    total = 'sum(tailrace_network_io_bytes_total{network_io_direction="transmit"})'
    await eventually(lambda: prometheus.value(total) == sent, 60)
    failed = int(first.columns["connections.failed"].sum())
    assert prometheus.value("sum(tailrace_network_connections_failed_total)") == failed
    counts = first.tables["histograms"].counts.sum()
    assert prometheus.value("sum(tailrace_network_rtt_seconds_count)") == counts
    assert prometheus.value('sum(tailrace_network_rtt_seconds_bucket{le="+Inf"})') == counts
    total_rtt = prometheus.value("sum(tailrace_network_rtt_seconds_sum)")
    assert total_rtt == pytest.approx(first.columns["rtt_ns.sum"].sum() / 1e9)
    durations = sum(
        asked.columns[f"http.{side}.request.duration_ns.sum"].sum() for side in ("client", "server")
    )
    names = '{__name__=~"http_.*_request_duration_seconds_sum|rpc_.*_call_duration_seconds_sum"}'
    assert prometheus.value(f"sum({names})") == pytest.approx(durations / 1e9)
    p99 = "histogram_quantile(0.99, sum by (le) (http_server_request_duration_seconds_bucket))"
    assert 0.9 < (prometheus.value(p99) or 0) < 1.1
    await _has_what_other_rows_say(sink, prometheus)
    await sink.close()
    await eventually(lambda: prometheus.value("up") == 0, 60)
    again = PrometheusSink(PrometheusConfig(sink.listen))
    await again.open([WORKLOAD])
    for batch in others:
        await again.write(batch)
    later = sum(int(batch.columns["bytes"].sum()) for batch in others)
    await eventually(lambda: prometheus.value(total) == later, 60)
    await again.close()


async def _has_what_other_rows_say(sink: PrometheusSink, prometheus: Prometheus) -> None:
    """Those of queries, drops and listeners."""
    queries, drops, listeners = make_queries(100), make_drops(100), make_listeners(100)
    for batch in (listeners, queries, drops):
        await sink.write(batch)
    columns = queries.columns
    dropped = int(drops.columns["drops"].sum())
    await eventually(lambda: prometheus.value("sum(tailrace_drops_total)") == dropped, 60)
    servfail = int(columns["queries"][columns["dns.response.code"] == ResponseCode.SERVFAIL].sum())
    by_code = 'sum(tailrace_dns_queries_total{dns_response_code="SERVFAIL"})'
    assert prometheus.value(by_code) == servfail
    udp = int(columns["queries"][columns["network.transport"] == Transport.UDP].sum())
    assert prometheus.value('sum(tailrace_dns_queries_total{network_transport="udp"})') == udp
    total = prometheus.value("sum(dns_lookup_duration_seconds_sum)")
    assert total == pytest.approx(columns["dns.client.lookup.duration_ns.sum"].sum() / 1e9)
    queue = listeners.columns["listener.queue"].max()
    assert prometheus.value("max(tailrace_listener_queue)") == queue
    overflows = int(listeners.columns["listener.overflows"].sum())
    assert prometheus.value("sum(tailrace_listener_overflows_total)") == overflows


async def test_dashboards_and_rules_ask_for_what_there_is(
    sink: PrometheusSink, prometheus: Prometheus
) -> None:
    """Every query of a dashboard and of a rule is one that Prometheus takes, of metrics that the sink has."""
    await sink.open([WORKLOAD])
    await sink.write(seconds(1)[0])
    await eventually(lambda: prometheus.value("up") == 1, 60)
    variables = {"$__rate_interval": "1m", "$namespace": ".*", "$workload": ".*"}
    found = 0
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        assert {panel["type"] for panel in board["panels"]} == {"timeseries"}
        for said in (target["expr"] for panel in board["panels"] for target in panel["targets"]):
            query = reduce(lambda text, each: text.replace(*each), variables.items(), said)
            assert "$" not in query
            prometheus.api("query", query=query)
            assert _metrics(query) <= set(HELP)
            found += 1
    assert len(DASHBOARDS) == 3
    assert found > 12
    (group,) = prometheus.api("rules")["groups"]
    assert all(rule["health"] in ("ok", "unknown") for rule in group["rules"])
    asked = set().union(*(_metrics(rule["query"]) for rule in group["rules"]))
    assert asked <= {*HELP, "tailrace_dropped_total"}
    await sink.close()


def _metrics(query: str) -> set[str]:
    return {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in re.findall(r"\b(?:tailrace|dns_lookup)_\w+", query)
    }
