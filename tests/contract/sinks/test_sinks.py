"""What every sink keeps to, whatever it writes to."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Final

import pytest

from engine.config import SinkConfig
from engine.plugins.sinks import make_sink, sink_names
from model.batch import Batch
from model.errors import SinkError, UsageError
from model.kind import Kind
from model.kinds import kind_named
from model.ledger import Ledger
from model.settings import PluginConfig
from model.sink import Sink
from sinks.limits import Limits, QueueLimits
from tests.batches import WINDOW
from tests.configured import make_fan_out
from tests.contract.sinks.cases import CASES, KINDS, LIVES, Rows, SinkCase, Totals
from tests.eventually import eventually
from tests.scripted_sink import ScriptedSink
from tests.thread_signal import ThreadEvent

PAIRS: Final = [(case, rows) for case in CASES for rows in KINDS if rows.stage in case.stages]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0].name}-{pair[1].stage}")
def pair(request: pytest.FixtureRequest) -> tuple[SinkCase, Rows]:
    """Each sink in turn, with each kind of rows that it takes."""
    found: tuple[SinkCase, Rows] = request.param
    return found


@pytest.fixture
def case(pair: tuple[SinkCase, Rows]) -> SinkCase:
    """The sink."""
    return pair[0]


@pytest.fixture
def rows(pair: tuple[SinkCase, Rows]) -> Rows:
    """What it gets."""
    return pair[1]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the sink writes."""
    return tmp_path / "output"


@pytest.fixture
def sink(case: SinkCase, rows: Rows, output: Path) -> Iterator[Sink]:
    """A sink that writes to ``output``."""
    with ExitStack() as stack:
        yield case.make(output, stack)


@pytest.fixture
def failing(case: SinkCase, rows: Rows) -> Iterator[Sink]:
    """A sink whose disk is full."""
    with ExitStack() as stack:
        yield case.make(Path("/dev/full"), stack)


def kind_of(rows: Rows) -> Kind:
    """What the sink is told."""
    kind = kind_named(rows.stage)
    assert kind is not None
    return kind


def totals_of(*batches: Batch) -> Totals:
    totals = Totals(rows=sum(map(len, batches)))
    for batch in batches:
        assert batch.kind.traffic is not None
        for life in LIVES:
            totals[life] += int(batch.kind.traffic.lives(batch.columns, life).sum())
    return totals


def text_of(output: Path) -> str:
    return output.read_text()


class Watched:
    """A sink whose ``done`` is set when ``writes`` batches were written."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self, sink: Sink, writes: int) -> None:
        self.done = ThreadEvent()
        self.open, self.flush, self.close = sink.open, sink.flush, sink.close
        self._sink, self._left = sink, writes

    async def write(self, batch: Batch) -> None:
        await self._sink.write(batch)
        self._left -= 1
        if not self._left:
            self.done.set()


async def deliver(sink: Sink, rows: Rows, *batches: Batch) -> None:
    await sink.open((kind_of(rows),))
    for batch in batches:
        await sink.write(batch)
    await sink.flush()
    await sink.close()


def test_every_installed_sink_is_held_to_the_contract() -> None:
    """The suite leaves out no sink that the entry points name."""
    assert sorted(case.name for case in CASES) == sink_names()


def test_unknown_setting_is_refused(case: SinkCase) -> None:
    """A key that the configuration does not have is named in the error."""
    with pytest.raises(UsageError, match=rf"sink {case.name}: .*unknown field `colour`"):
        make_sink(SinkConfig(case.name, {"colour": "red"}))


def test_sink_keeps_the_protocol(sink: Sink) -> None:
    """It has the methods and the configuration of the contract, and making it did no I/O."""
    assert isinstance(sink, Sink)


async def test_open_and_close_alone(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """A sink that gets no batch opens and closes, and writes no row."""
    await deliver(sink, rows)
    assert +case.read(output) == Totals()


async def test_empty_batch_is_taken(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """A quiet second delivers no rows, and raises nothing."""
    await deliver(sink, rows, rows.make(0))
    assert +case.read(output) == Totals()


async def test_all_rows_are_in_the_output(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """Ten thousand rows in one batch are all accounted for in what a reader sees."""
    batch = rows.make(10_000)
    await deliver(sink, rows, batch)
    assert case.read(output) == totals_of(batch)


async def test_chunks_add_up(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """Two seconds, each in several chunks, come out whole; so does what crossed the wire."""
    seconds = [rows.make(2500, seed=seed, window=WINDOW + seed, seq=seed) for seed in range(2)]
    chunks = [chunk for second in seconds for chunk in rows.chunks(second, 1000)]
    await deliver(sink, rows, *chunks)
    assert len(chunks) == 6
    assert case.read(output) == totals_of(*seconds)


@pytest.mark.parametrize(
    "comm", [b"", "größe☃".encode(), b"\xff\xfe\x80", b'a"b\\c\n\x1b[2J', b"sixteen-bytes-aa"]
)
async def test_any_process_name_is_taken(
    case: SinkCase, rows: Rows, sink: Sink, output: Path, comm: bytes
) -> None:
    """Names with blanks, quotes, control characters or invalid UTF-8 neither fail nor break a line."""
    batch = rows.make(3, columns=dict.fromkeys(rows.comms, comm))
    await deliver(sink, rows, batch)
    assert case.read(output) == totals_of(batch)
    assert "\x1b" not in text_of(output)


@pytest.mark.parametrize(("ipv6", "shown"), [(0.0, "10.7.7.7"), (1.0, "2001:db8::7:707")])
async def test_addresses_are_text(
    case: SinkCase, rows: Rows, sink: Sink, output: Path, ipv6: float, shown: str
) -> None:
    """IPv4 and IPv6 addresses are written as people write them; those of workloads where they have no other name."""
    nameless = dict.fromkeys(rows.comms, b"")
    await deliver(sink, rows, rows.make(5, ipv6=ipv6, columns=nameless))
    times = rows.addresses if case.name == "jsonl" else min(rows.addresses, 1)
    assert text_of(output).count(shown) == 5 * times
    assert "::ffff:" not in text_of(output)


async def test_fanout_accounts_for_every_row(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """Through the fan-out all rows are delivered, and the output agrees with the account."""
    batches = [rows.make(1000, seed=seed, seq=seed, window=WINDOW + seed) for seed in range(20)]
    ledger = Ledger()
    async with make_fan_out({case.name: sink}, ledger, stage=rows.stage) as fanout:
        for batch in batches:
            fanout.offer(batch)
            assert ledger.stages[f"sink.{case.name}"].balanced
    stage = ledger.stages[f"sink.{case.name}"]
    assert (stage.received, stage.delivered, stage.queued, stage.dropped) == (20_000, 20_000, 0, {})
    assert case.read(output) == totals_of(*batches)


async def test_overflow_is_accounted_for(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """What the queue dropped is missing from the output, and nothing else."""
    batches = [rows.make(100, seed=seed, seq=seed, window=WINDOW + seed) for seed in range(20)]
    ledger = Ledger()
    limits = Limits(QueueLimits(batches=5))
    fanout = make_fan_out({case.name: sink}, ledger, limits, stage=rows.stage)
    for batch in batches:
        fanout.offer(batch)
    await fanout.start()
    await fanout.stop()
    stage = ledger.stages[f"sink.{case.name}"]
    assert (stage.received, stage.delivered, stage.dropped) == (2000, 500, {"queue_full": 1500})
    assert case.read(output) == totals_of(*batches[-5:])


async def test_slow_neighbour_does_not_delay_it(case: SinkCase, rows: Rows, sink: Sink, output: Path) -> None:
    """While another sink is stuck, this one gets all rows."""
    stuck, after, ledger = ScriptedSink(slow=True), ScriptedSink(), Ledger()
    batches = [rows.make(100, seed=seed, seq=seed) for seed in range(10)]
    watched = Watched(sink, len(batches))
    stages = dict.fromkeys(("stuck", case.name, "after"), rows.stage)
    fanout = make_fan_out({"stuck": stuck, case.name: watched, "after": after}, ledger, stage=stages)
    await fanout.start()
    for batch in batches:
        fanout.offer(batch)
    stage = ledger.stages[f"sink.{case.name}"]
    await asyncio.wait_for(watched.done.wait(), 10)
    await after.wait_for(10)
    await eventually(lambda: stage.delivered == 1000)
    assert (stuck.seqs, after.seqs) == ([], list(range(10)))
    await fanout.stop(timeout=0)
    assert case.read(output) == totals_of(*batches)


async def test_failure_is_a_sink_error(rows: Rows, failing: Sink) -> None:
    """Without room the write raises a SinkError with reason and remedy, and the sink still closes."""
    await failing.open((kind_of(rows),))
    with pytest.raises(SinkError, match=r"No space left on device.*make room") as caught:
        await failing.write(rows.make(10))
    assert (caught.value.reason, caught.value.retryable) == ("disk_full", False)
    await failing.close()


async def test_failing_sink_is_accounted_for(case: SinkCase, rows: Rows, failing: Sink) -> None:
    """Each batch that a failing sink loses is counted under the reason, while its neighbour gets all."""
    neighbour, ledger = ScriptedSink(), Ledger()
    stages = dict.fromkeys((case.name, "neighbour"), rows.stage)
    async with make_fan_out({case.name: failing, "neighbour": neighbour}, ledger, stage=stages) as fanout:
        for seq in range(5):
            fanout.offer(rows.make(10, seq=seq))
    stage = ledger.stages[f"sink.{case.name}"]
    assert (stage.received, stage.delivered, stage.dropped) == (50, 0, {"disk_full": 50})
    assert neighbour.seqs == list(range(5))


async def test_close_without_open(case: SinkCase, sink: Sink, output: Path) -> None:
    """A sink whose open failed, or was never called, closes without an error and has written nothing."""
    await sink.close()
    written = await asyncio.to_thread(output.exists)
    assert not written or +case.read(output) == Totals()
