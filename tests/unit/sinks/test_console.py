"""The console: a table on terminals, plain lines elsewhere, one frame for each second."""

import asyncio
import errno
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from engine.config import SinkConfig
from engine.plugins.sinks import make_sink, sink_from_argument
from model.addresses import address_bytes
from model.batch import Batch
from model.errors import SinkError, UsageError
from model.kinds.delta import DELTA, CloseReason, Role, State
from sinks.console.plain import plain_lines
from sinks.console.sink import ConsoleConfig, ConsoleSink
from sinks.console.summary import Sort
from sinks.console.table import render
from tailrace.testing.deltas import CGROUPS, WINDOW, make_deltas
from tests.plain_rows import plain_rows
from tests.unit.sinks.summaries import second_of

LEDGER: Final[dict[str, Any]] = {
    "ring": {"unit": "events", "dropped": {"full": 3}},
    "sink.jsonl": {"unit": "rows", "dropped": {"queue_full": 1200}},
    "bus": {"unit": "rows", "dropped": {}},
}

ROWS: Final[tuple[dict[str, object], ...]] = (
    {
        "network.local.address": address_bytes("10.0.0.5"),
        "network.local.port": 5432,
        "network.peer.address": address_bytes("10.0.1.77"),
        "network.peer.port": 40112,
        "process.pid": 811,
        "process.comm": b"postgres",
        "cgroup.index": 1,
        "connection.role": Role.SERVER,
        "connection.state": State.ESTABLISHED,
        "tx_bytes": 48_300_000,
        "rx_bytes": 1_250_000,
        "retransmitted_segments": 12,
        "rtt_ns": 187_000,
    },
    {
        "network.local.address": address_bytes("2001:db8:85a3:8d3:1319:8a2e:370:7348"),
        "network.local.port": 51234,
        "network.peer.address": address_bytes("2001:db8:1f89:ffff:abcd:ef01:2345:6789"),
        "network.peer.port": 443,
        "process.pid": 4190233,
        "process.comm": b"\x1b[31mevil name",
        "cgroup.index": 2,
        "connection.role": Role.CLIENT,
        "connection.state": State.CLOSE,
        "connection.closed": 1,
        "connection.close_reason": CloseReason.RST_RECEIVED,
        "tx_bytes": 999,
        "rx_bytes": 7_400,
        "rtt_ns": 23_400_000,
    },
    {
        "network.local.address": address_bytes("10.0.0.5"),
        "network.local.port": 60000,
        "network.peer.address": address_bytes("203.0.113.255"),
        "network.peer.port": 65535,
        "process.pid": 7,
        "process.comm": b"curl",
        "connection.role": Role.CLIENT,
        "connection.state": State.CLOSE,
        "connection.failed": 1,
        "error.errno": errno.ECONNREFUSED,
    },
)


def batch_of(*rows: dict[str, object]) -> Batch:
    columns = DELTA.empty(len(rows))
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns[name][place] = np.asarray(value, columns[name].dtype)
    return Batch(
        DELTA,
        "node-a",
        "boot-1",
        0,
        WINDOW,
        columns,
        {"cgroups": list(CGROUPS)},
    )


@pytest.mark.parametrize("width", [80, 200])
def test_table_is_readable(width: int) -> None:
    """At 80 columns addresses and names give way, but not ports and pids; at 200 all is whole, with units."""
    frame = render(second_of(batch_of(*ROWS), ledger=LEDGER), width, 24, color=False)
    assert frame == (Path(__file__).parent / "golden" / f"console-{width}.txt").read_text()


def test_frame_fits_the_terminal() -> None:
    """A low terminal shows fewer connections; no line is wider than the terminal, however narrow."""
    second = second_of(make_deltas(500), ledger=LEDGER)
    assert len(render(second, 80, 10, color=False).splitlines()) == 10
    for width in (20, 79, 80, 100, 127, 128, 200, 400):
        assert max(map(len, render(second, width, 30, color=False).splitlines())) <= width


def test_losses_are_red() -> None:
    """On a terminal with colours a loss is red, and no loss is green."""
    lossy, fine = (
        render(second_of(make_deltas(1), ledger=ledger), 80, 9, color=True) for ledger in (LEDGER, {})
    )
    assert "\x1b[1;31mlost 1203" in lossy
    assert "\x1b[32mlost 0" in fine


def test_plain_lines_are_stable() -> None:
    """Each line has the time and node first, no escape codes and no blanks inside words."""
    assert (
        plain_lines(second_of(batch_of(*ROWS), ledger=LEDGER))
        == """\
2023-11-14T22:13:20Z node-a summary rows=3 open=42 opened=0 closed=1 failed=1 tx=48MB/s rx=1.3MB/s \
retransmits=12 lost=1203 lost.sink.jsonl.queue_full=1200 lost.ring.full=3
2023-11-14T22:13:20Z node-a postgres/811 docker-0123456789ab 10.0.0.5:5432 <- 10.0.1.77:40112 established \
tx=48MB/s rx=1.2MB/s retransmits=12 rtt=187us
2023-11-14T22:13:20Z node-a ?[31mevil_name/4190233 cri-containerd-fedcba987654 \
[2001:db8:85a3:8d3:1319:8a2e:370:7348]:51234 -> [2001:db8:1f89:ffff:abcd:ef01:2345:6789]:443 rst_received \
tx=999B/s rx=7.4kB/s retransmits=0 rtt=23ms
2023-11-14T22:13:20Z node-a curl/7 nginx.service 10.0.0.5:60000 -> 203.0.113.255:65535 ECONNREFUSED \
tx=0B/s rx=0B/s retransmits=0 rtt=-
"""
    )


def test_quiet_second_is_one_line() -> None:
    """Without rows there is the summary alone."""
    assert plain_lines(second_of(make_deltas(0))) == (
        "2023-11-14T22:13:20Z node-a summary rows=0 open=42 opened=0 closed=0 failed=0 tx=0B/s rx=0B/s "
        "retransmits=0 lost=0\n"
    )


@pytest.mark.parametrize("sort", ["bytes", "tx", "rx", "retransmits", "rtt"])
def test_top_is_that_of_the_whole_second(sort: Sort) -> None:
    """The top of many chunks is what sorting all rows in Python gives, with each row's own cgroup."""
    batch = make_deltas(5000, seed=3)
    top = second_of(*batch.chunked(700), limit=15, sort=sort).top()
    keys = {
        "bytes": lambda row: row["tx_bytes"] + row["rx_bytes"],
        "tx": lambda row: row["tx_bytes"],
        "rx": lambda row: row["rx_bytes"],
        "retransmits": lambda row: row["retransmitted_segments"],
        "rtt": lambda row: row["rtt_ns"],
    }
    rows = {row["socket.slot"]: row for row in plain_rows(batch)}
    best = sorted(map(keys[sort], rows.values()), reverse=True)[:15]
    assert [keys[sort](row) for row in top] == best
    assert [row["cgroup.path"] for row in top] == [rows[row["socket.slot"]]["cgroup.path"] for row in top]


def test_failed_connects_come_before_idle_connections() -> None:
    """Where no bytes moved, failures come first, then ends, then new connections."""
    quiet = {"connection.state": State.ESTABLISHED}
    lives: tuple[dict[str, object], ...] = (
        {},
        {"connection.opened": 1},
        {"connection.closed": 1},
        {"connection.failed": 1},
    )
    rows = [quiet | life | {"socket.slot": slot} for slot, life in enumerate(lives)]
    assert [row["socket.slot"] for row in second_of(batch_of(*rows), limit=3).top()] == [3, 2, 1]


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(writer)


async def test_seconds_are_drawn_with_their_last_chunk() -> None:
    """Nothing is written before the last chunk; then one summary counts all rows."""
    with pipe() as (reader, writer):
        sink = ConsoleSink(ConsoleConfig(rows=2), writer)
        await sink.open((DELTA,))
        *early, last = make_deltas(1000).chunked(300)
        for chunk in early:
            await sink.write(chunk)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
        await sink.write(last)
        lines = os.read(reader, 1 << 16).decode().splitlines()
        assert len(lines) == 3
        assert " summary rows=1000 " in lines[0]
        await sink.close()
        os.close(reader)


async def test_second_without_its_last_chunk_is_drawn_with_the_next() -> None:
    """A second of which chunks were dropped is shown, marked, when the next one begins."""
    with pipe() as (reader, writer):
        sink = ConsoleSink(ConsoleConfig(rows=1), writer)
        await sink.open((DELTA,))
        await sink.write(next(make_deltas(1000, window=WINDOW).chunked(300)))
        await sink.write(make_deltas(7, window=WINDOW + 1))
        summaries = [line for line in os.read(reader, 1 << 16).decode().splitlines() if " summary " in line]
        assert "rows=300 " in summaries[0]
        assert summaries[0].endswith("missing_chunks=3")
        assert "rows=7 " in summaries[1]
        await sink.close()
        os.close(reader)


async def test_gone_reader_is_a_broken_pipe() -> None:
    """When the reader ends, the write fails as broken_pipe and says so."""
    with pipe() as (reader, writer):
        sink = ConsoleSink(ConsoleConfig(), writer)
        await sink.open((DELTA,))
        os.close(reader)
        with pytest.raises(SinkError, match=r"standard output .*its reader has ended") as caught:
            await sink.write(make_deltas(5))
        assert (caught.value.reason, caught.value.retryable) == ("broken_pipe", False)
        await sink.close()


async def test_closed_output_cannot_be_opened() -> None:
    """Without a standard output the program does not start with this sink."""
    with pytest.raises(SinkError, match="standard output is closed: choose another sink"):
        await ConsoleSink(ConsoleConfig(), 1_000_000).open((DELTA,))


@contextmanager
def terminal(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: what a person sees, and the side that programs write to."""
    screen, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield screen, program
    finally:
        os.close(program)
        os.close(screen)


async def test_frames_replace_each_other_on_a_terminal() -> None:
    """The first frame clears the terminal, the next goes over it line by line, a resize clears it again."""
    with terminal(12, 80) as (screen, program):
        sink = ConsoleSink(ConsoleConfig(rows=3), program, wait_seconds=30)
        await sink.open((DELTA,))
        await sink.write(make_deltas(10))
        first = os.read(screen, 1 << 16).decode()
        assert first.startswith("\x1b[H\x1b[2J")
        assert first.count("\n") == 6
        await sink.write(make_deltas(10, seed=1))
        assert os.read(screen, 1 << 16).decode().startswith("\x1b[6A\r")
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 200, 0, 0))
        await sink.write(make_deltas(10, seed=2))
        resized = os.read(screen, 1 << 16).decode()
        assert resized.startswith("\x1b[H\x1b[2J")
        assert resized.count("\n") == 4
        await sink.close()


async def test_slow_terminal_skips_frames() -> None:
    """While a terminal does not take a frame, rows are still taken, and later frames are skipped."""
    with terminal(1000, 200) as (screen, program):
        sink = ConsoleSink(ConsoleConfig(rows=1000), program, wait_seconds=0.01)
        await sink.open((DELTA,))
        for seed in range(4):
            await sink.write(make_deltas(1000, seed=seed))
        assert sink.skipped_frames == 3
        loop = asyncio.get_running_loop()
        loop.add_reader(screen, os.read, screen, 1 << 16)
        await sink.close()
        loop.remove_reader(screen)


def test_argument_sets_the_rows() -> None:
    """``console:5`` shows five connections; a number that is none is refused with its path."""
    assert sink_from_argument("console:5") == ("console", {"rows": "5"})
    assert isinstance(make_sink(SinkConfig("console", {"rows": "5"})).sink, ConsoleSink)
    for rows in ("0", "many"):
        with pytest.raises(UsageError, match=r"sink console: .*`\$.rows`"):
            make_sink(SinkConfig("console", {"rows": rows}))


def test_rich_is_loaded_for_terminals_only() -> None:
    """Plain output costs neither the time nor the memory of rich."""
    code = (
        "import asyncio, sys; from sinks.console.sink import ConsoleConfig, ConsoleSink;"
        "sink = ConsoleSink(ConsoleConfig());"
        "asyncio.run(sink.open([])); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
