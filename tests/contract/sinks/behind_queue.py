"""What our own sinks keep to beside the contract: behind the queue all rows are accounted for, and text is text."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from engine.config import SinkConfig
from engine.plugins.shapes import shape_of
from engine.plugins.sinks import make_sink
from model.batch import Batch
from model.errors import UsageError
from model.filter.targets import targets
from model.kind import Kind
from model.ledger import Ledger
from model.summing import summed
from sinks.configured import ConfiguredSink
from sinks.fan_out import FanOut
from sinks.limits import Limits, QueueLimits
from sinks.summed import SummedSink
from tailrace.testing import SinkContract, make_batch, make_deltas, make_flows
from tailrace.testing.deltas import WINDOW
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.scripted_sink import ScriptedSink

#: Kinds whose rows have an address each, and how often the JSON of a row has that of its client.
ADDRESSED: Final[dict[str, tuple[Callable[..., Batch], int]]] = {
    "delta": (make_deltas, 2),  # beside it the resolved one
    "flow": (make_flows, 1),
}


class SinkBehindQueue(SinkContract):
    """The contract, with the fan-out in front.

    :cvar name: under which the sink is installed.
    :cvar json: whether its text is that of JSON lines.
    :cvar reason: why rows are lost at the output that takes none.
    """

    name: str
    json: bool = True
    reason: str = "disk_full"

    async def text(self, output: Any) -> str:
        """All that is in the output."""
        raise NotImplementedError

    def test_unknown_setting_is_refused(self) -> None:
        """A key that the configuration does not have is named in the error."""
        with pytest.raises(UsageError, match=rf"sink {self.name}: .*unknown field `colour`"):
            make_sink(SinkConfig(self.name, {"colour": "red"}))

    def test_no_control_character_comes_through(self, kind: Kind, output: Any) -> None:
        """Whatever a process calls itself."""
        self._run(self._delivers(kind, output, make_batch(kind, 3, text=b'a"b\\c\n\x1b[2J')))
        assert "\x1b" not in self._run(self.text(output))

    @pytest.mark.parametrize(("ipv6", "shown"), [(0.0, "10.7.7.7"), (1.0, "2001:db8::7:707")])
    def test_addresses_are_text(self, kind: Kind, output: Any, ipv6: float, shown: str) -> None:
        """IPv4 and IPv6 addresses are written as people write them."""
        maker, times = ADDRESSED.get(kind.name, (None, 0))
        if maker is None:
            return  # names of workloads, which may be addresses, are texts already
        comms = {name: b"" for name in kind.types if name.endswith("process.comm")}
        self._run(self._delivers(kind, output, maker(5, ipv6=ipv6, columns=comms)))
        text = self._run(self.text(output))
        assert text.count(shown) == 5 * (times if self.json else 1)
        assert "::ffff:" not in text

    def test_fan_out_accounts_for_every_row(self, kind: Kind, output: Any) -> None:
        """Through the fan-out all rows are delivered, and the output agrees with the ledger."""
        batches, ledger = _seconds(kind, 20, 1000), Ledger()

        async def deliver() -> None:
            async with make_fan_out({self.name: self.make(output)}, ledger, stage=kind.plural) as fan_out:
                for batch in batches:
                    fan_out.offer(batch)
                    assert ledger.stages[f"sink.{self.name}"].balanced
                await fan_out.drained()
            self._compare(await self.read(output), batches)

        self._run(deliver())
        stage = ledger.stages[f"sink.{self.name}"]
        assert (stage.received, stage.delivered, stage.queued, stage.dropped) == (20_000, 20_000, 0, {})

    def test_overflow_is_accounted_for(self, kind: Kind, output: Any) -> None:
        """What the queue dropped is missing from the output, and nothing else."""
        batches, ledger = _seconds(kind, 20, 100), Ledger()

        async def deliver() -> None:
            limits = Limits(QueueLimits(batches=5))
            fan_out = make_fan_out({self.name: self.make(output)}, ledger, limits, stage=kind.plural)
            for batch in batches:
                fan_out.offer(batch)
            await fan_out.start()
            await fan_out.stop()
            self._compare(await self.read(output), batches[-5:])

        self._run(deliver())
        stage = ledger.stages[f"sink.{self.name}"]
        assert (stage.received, stage.delivered, stage.dropped) == (2000, 500, {"queue_full": 1500})

    def test_it_gets_the_rows_and_fields_that_were_asked_for(self, kind: Kind, output: Any) -> None:
        """With ``where`` and ``fields`` of the configuration; what a filter leaves out is no loss."""
        batches, ledger = _seconds(kind, 5, 200), Ledger()
        counted = "failed>50" if targets(kind, "failed") else "port>40000"
        where = "opened>0" if kind.traffic else counted
        shape = shape_of(SinkConfig(self.name, where=where, fields="brief"), [kind], "sinks[0]", "")
        asked = [shape(batch) for batch in batches]
        assert 0 < sum(map(len, asked)) < 1000

        async def deliver() -> None:
            sink = ConfiguredSink(self.make(output), [kind], shape=shape)
            async with FanOut({self.name: sink}, ledger) as fan_out:
                for batch in batches:
                    fan_out.offer(batch)
                await fan_out.drained()
                self._compare(await self.read(output), asked)

        self._run(deliver())
        stage = ledger.stages[f"sink.{self.name}"]
        assert (stage.delivered, stage.queued, stage.dropped) == (sum(map(len, asked)), 0, {})
        left_out = {"flow": "owner.evidence", "delta": "owner.evidence", "workload": "evidence.both"}
        if self.json and kind.name in left_out:  # tables have all columns
            assert left_out[kind.name] not in self._run(self.text(output))

    def test_it_gets_sums_of_seconds(self, kind: Kind, output: Any) -> None:
        """With ``every``: one row for each connection, pair or socket; each row that came counts as delivered."""
        first = make_batch(kind, 300)
        batches = [replace(first, seq=seq, window=WINDOW + seq) for seq in range(4)]
        ledger, expected = Ledger(), summed(batches)

        async def deliver() -> None:
            sink = SummedSink(self.make(output))
            async with make_fan_out({self.name: sink}, ledger, stage=kind.plural) as fan_out:
                for batch in batches:
                    fan_out.offer(batch)
                await fan_out.drained()
                self._compare(await self.read(output), [expected])

        self._run(deliver())
        stage = ledger.stages[f"sink.{self.name}"]
        assert (stage.received, stage.delivered, stage.dropped) == (1200, 1200, {})

    def test_slow_neighbour_does_not_delay_it(self, kind: Kind, output: Any) -> None:
        """While another sink is stuck, this one gets all rows."""
        batches, ledger = _seconds(kind, 10, 100), Ledger()

        async def deliver() -> None:
            stuck, after = ScriptedSink(slow=True), ScriptedSink()
            sinks = {"stuck": stuck, self.name: self.make(output), "after": after}
            fan_out = make_fan_out(sinks, ledger, stage=kind.plural)
            await fan_out.start()
            for batch in batches:
                fan_out.offer(batch)
            stage = ledger.stages[f"sink.{self.name}"]
            await eventually(lambda: stage.delivered == 1000)
            await after.wait_for(10)
            assert (stuck.seqs, after.seqs) == ([], list(range(10)))
            await fan_out.stop(timeout=0)
            self._compare(await self.read(output), batches)

        self._run(deliver())

    def test_failing_sink_is_accounted_for(self, kind: Kind, full: Any) -> None:
        """Each batch that a failing sink loses is counted under the reason, while its neighbour gets all."""
        neighbour, ledger = ScriptedSink(), Ledger()

        async def deliver() -> None:
            sinks = {self.name: self.make(full), "neighbour": neighbour}
            async with make_fan_out(sinks, ledger, stage=kind.plural) as fan_out:
                for batch in _seconds(kind, 5, 10):
                    fan_out.offer(batch)

        self._run(deliver())
        stage = ledger.stages[f"sink.{self.name}"]
        assert (stage.received, stage.delivered, stage.dropped) == (50, 0, {self.reason: 50})
        assert neighbour.seqs == list(range(5))


def _seconds(kind: Kind, count: int, rows: int) -> list[Batch]:
    """So many seconds with so many rows each."""
    return [make_batch(kind, rows, seed=seq, seq=seq, window=WINDOW + seq) for seq in range(count)]
