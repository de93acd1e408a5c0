"""The sink that writes to a server: what is lost is counted and said, and who configures it wrongly is told how."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import Config, KeptConfig, load_config
from engine.stored import open_store, replaced, server_sink
from model.errors import SinkError, TailraceError, UsageError
from model.kinds.workload import WORKLOAD
from model.ledger import Ledger
from sinks.fan_out import FanOut
from sinks.limits import Limits, RetryLimits
from store.config import StoreConfig
from store.reading import Window
from store.sink import StoreSink
from tests.clickhouse_server import ClickHouseServer
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.unit.store.segments.made import BEGIN, second

ROW = {"client": 1, "server": 2, "port": 443, "bytes": 100}
WINDOW = Window(BEGIN, BEGIN + 600)


def config_of(server: ClickHouseServer, database: str, password: str = "") -> StoreConfig:
    """Of a sink."""
    url = f"clickhouse://127.0.0.1:{server.port}/{database}"
    return StoreConfig(url=url, password=password or server.password)


def bytes_and_gaps(server: ClickHouseServer, database: str) -> tuple[int, list[tuple[str, int, str]]]:
    """What a reader finds."""
    config = config_of(server, database)
    store = open_store(KeptConfig(url=config.url, password=config.password))
    try:
        gaps = [(gap.reason, gap.lost, gap.detail) for gap in store.gaps(WINDOW)]
        return int(store.edges(WINDOW).measures["bytes"].sum()), gaps
    finally:
        store.close()


async def test_what_a_server_refuses_is_lost_counted_and_said(server: ClickHouseServer) -> None:
    """Under its reason; the store goes on, and says the gap itself."""
    sink, ledger = StoreSink(config_of(server, "refused")), Ledger()
    async with make_fan_out({"store": sink}, ledger, stage="workloads") as fan_out:
        await stored(fan_out, 0)
        server.ask("RENAME TABLE refused.rows_1s TO refused.hidden")
        await stored(fan_out, 1)
        server.ask("RENAME TABLE refused.hidden TO refused.rows_1s")
        await stored(fan_out, 2)
    stage = ledger.stage("sink.store", "rows")
    assert (stage.delivered, stage.dropped) == (2, {"server_refused": 1})
    assert bytes_and_gaps(server, "refused") == (200, [("lost", 1, "store server_refused")])


async def test_attempts_that_are_over_make_no_row_come_later(server: ClickHouseServer) -> None:
    """Where somebody bounds them: what counts as lost is given up, and what follows is whole."""
    sink, ledger = StoreSink(config_of(server, "given_up")), Ledger()
    limits = Limits(retry=RetryLimits(2, 0.01, 0.01))
    stage = ledger.stage("sink.store", "rows")
    async with make_fan_out({"store": sink}, ledger, limits, stage="workloads") as fan_out:
        await stored(fan_out, 0)
        server.process.kill()
        fan_out.offer(second(BEGIN + 1, [ROW], 1))
        await eventually(lambda: stage.dropped)
        await asyncio.to_thread(server.process.start)
        await stored(fan_out, 2)
    assert (stage.delivered, stage.dropped) == (2, {"server_away": 1})
    assert bytes_and_gaps(server, "given_up") == (200, [("lost", 1, "store server_away")])


async def stored(fan_out: FanOut, seq: int) -> None:
    """A second, to its end."""
    await fan_out.put(second(BEGIN + seq, [ROW], seq))
    await fan_out.drained()


async def test_a_wrong_password_or_no_server_refuses_the_start(server: ClickHouseServer) -> None:
    """With what to do, and without the password."""
    away = StoreConfig(url="clickhouse://127.0.0.1:9", password="hunter2")
    for config, said in (
        (config_of(server, "secret", "hunter2"), "check user, password"),
        (away, "start the server, or correct the address"),
    ):
        sink = StoreSink(config)
        with pytest.raises(SinkError, match=said) as caught:
            await sink.open([WORKLOAD])
        await sink.close()
        assert "hunter2" not in str(caught.value) + repr(config)


def test_commands_read_it(server: ClickHouseServer, tmp_path: Path) -> None:
    """By the configuration, or the URL on the command line; a server that is away is one line."""

    async def written() -> None:
        sink = StoreSink(config_of(server, "commands"))
        await sink.open([WORKLOAD])
        await sink.write(second(BEGIN, [ROW], 0))
        await sink.flush()
        await sink.close()

    asyncio.run(written())
    file = tmp_path / "tailrace.yaml"
    file.write_text(
        f"store: {{url: clickhouse://127.0.0.1:{server.port}/commands, password: {server.password}}}"
    )
    words = ["edges", "--from", "2026-01-01T00:00:00Z", "--to", "2026-12-31T00:00:00Z", "-o", "csv"]

    def said(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tailrace", *words, "--config", str(file), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    configured = said()
    assert configured.returncode == 0, configured.stderr
    assert "shop/cart" in configured.stdout
    assert said("--store", f"clickhouse://127.0.0.1:{server.port}/commands").stdout == configured.stdout
    away = said("--store", "clickhouse://127.0.0.1:9/commands")
    assert away.returncode == 1
    assert re.fullmatch(r"tailrace.*: cannot reach ClickHouse at 127\.0\.0\.1:9 .*\n", away.stderr), (
        away.stderr
    )
    assert server.password not in away.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://db:8123", "write url as clickhouse://HOST:8123/DATABASE"),
        ("clickhouse://db:8123/a-b", "write url as clickhouse://HOST:8123/DATABASE"),
        ("clickhouse://me:hunter2@db:8123", "write them into user and password"),
    ],
)
def test_a_url_of_no_store_is_refused(url: str, said: str, tmp_path: Path) -> None:
    """In the file, and on the command line; what is secret in it is not shown."""
    file = tmp_path / "tailrace.yaml"
    file.write_text(f"store: {{url: '{url}'}}")
    with pytest.raises(UsageError, match=said) as caught:
        load_config(file, {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError, match=said) as caught:
        replaced(Config(), url, None)
    assert "hunter2" not in str(caught.value)


def test_a_folder_on_the_command_line_is_meant_in_place_of_a_server(tmp_path: Path) -> None:
    """And engines add the store's sink only where a server is configured."""
    config = Config(store=KeptConfig(url="clickhouse://db"))
    assert replaced(config, str(tmp_path), None).store.url == ""
    assert list(server_sink(config, {})) == ["store"]
    assert server_sink(Config(), {}) == {}
    off = Config(store=KeptConfig(url="clickhouse://db", enabled="off"))
    assert server_sink(off, {}) == {}
    with pytest.raises(TailraceError, match="there is no store at"):
        open_store(config.store, str(tmp_path / "none"))
