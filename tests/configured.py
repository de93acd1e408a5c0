"""Sinks as the configuration gives them, for tests that have a sink alone."""

from collections.abc import Mapping

from model.kinds import kind_named
from model.ledger import Ledger
from model.sink import Sink
from sinks.configured import ConfiguredSink
from sinks.delivery import OnError
from sinks.fan_out import FanOut
from sinks.limits import Limits


def configured(
    sinks: Mapping[str, Sink], stage: str | Mapping[str, str] = "", limits: Limits | None = None
) -> dict[str, ConfiguredSink]:
    """Sinks with the rows that all of them get, or each by its name; by default rows of every kind."""
    stages = dict.fromkeys(sinks, stage) if isinstance(stage, str) else stage
    kinds = {name: kind_named(stages.get(name, "")) for name in sinks}
    return {
        name: ConfiguredSink(
            sink, [kind] if (kind := kinds[name]) else [], limits or Limits(), f"sink {name}"
        )
        for name, sink in sinks.items()
    }


def make_fan_out(
    sinks: Mapping[str, Sink],
    ledger: Ledger,
    limits: Limits | None = None,
    on_error: OnError | None = None,
    stage: str | Mapping[str, str] = "",
) -> FanOut:
    """A fan-out to these sinks."""
    return FanOut(configured(sinks, stage, limits), ledger, on_error)
