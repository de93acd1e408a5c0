"""``--sink`` and ``--stage``, and their keys in the configuration."""

import argparse
import subprocess
import sys
from collections.abc import Sequence

import pytest

from engine.commands.sink_options import add_sink_options, chosen_sinks, chosen_stage
from engine.config import Config, SinkConfig, load_config
from model.errors import UsageError
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits

CONSOLE = [SinkConfig("console")]


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_sink_options(parser, "console")
    return parser.parse_args(arguments)


def sinks_of(arguments: Sequence[str], config: Config | None = None) -> list[str]:
    return list(chosen_sinks(config or Config(), options_of(*arguments), CONSOLE))


def test_the_command_line_goes_before_the_configuration() -> None:
    """Which goes before the default, which is flows."""
    deltas = load_config(None, {"TAILRACE_STAGE": "deltas"})
    assert chosen_stage(deltas, options_of()) == "deltas"
    assert chosen_stage(deltas, options_of("--stage", "flows")) == "flows"
    assert chosen_stage(Config(), options_of()) == "flows"


@pytest.mark.parametrize(
    ("config", "arguments", "place"),
    [
        (Config(stage="rows"), [], r"`\$.stage`"),
        (Config(), ["--stage", "rows"], "`--stage`"),
        (
            Config(sinks=[SinkConfig("jsonl"), SinkConfig("jsonl", stage="flows,rows")]),
            [],
            r"`\$.sinks\[1\].stage`",
        ),
        (Config(stage="ledgers"), [], r"`\$.stage`"),
    ],
)
def test_an_unknown_stage_is_named(config: Config, arguments: list[str], place: str) -> None:
    """With its place, and what there is: rows alone, not what a node says of losses."""
    with pytest.raises(
        UsageError, match=f"no rows are called '(rows|ledgers)' - at {place}: .* flows, workloads, deltas"
    ):
        chosen_sinks(config, options_of(*arguments), config.sinks or [SinkConfig("jsonl")])


def test_a_sink_may_get_rows_of_several_kinds() -> None:
    """With commas between them."""
    config = Config(stage="flows, workloads")
    (sink,) = chosen_sinks(config, options_of(), [SinkConfig("jsonl")]).values()
    assert sink.kinds == [FLOW, WORKLOAD]


def test_sinks_given_replace_the_others() -> None:
    """A second one of a name gets a number."""
    assert sinks_of([]) == ["console"]
    assert sinks_of(["--sink", "jsonl:/a", "--sink", "jsonl:/b"]) == ["jsonl", "jsonl#2"]


def test_a_sink_that_takes_flows_only_refuses_deltas() -> None:
    """Before anything starts, and with what to do."""
    assert sinks_of(["--sink", "nats"]) == ["nats"]
    message = "sink nats takes flows and workloads only: choose another sink for deltas, or leave out --stage deltas"
    with pytest.raises(UsageError, match=message):
        sinks_of(["--sink", "nats", "--stage", "deltas"])
    with pytest.raises(UsageError, match=message):
        sinks_of(["--sink", "nats"], Config(stage="deltas"))


@pytest.mark.parametrize("command", [("run",), ("engine",), ("replay", "/dev/null")])
def test_the_refusal_is_one_line_and_exit_code_2(command: tuple[str, ...]) -> None:
    """Of every command that has the option."""
    arguments = [*command, "--stage", "deltas", "--sink", "nats"]
    program = (sys.executable, "-c", "from engine.cli import main; main()")
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tailrace: sink nats takes flows and workloads only: "
        "choose another sink for deltas, or leave out --stage deltas\n"
    )


def test_each_sink_may_have_a_stage_of_its_own() -> None:
    """Where it has none, all that of the configuration; the command line goes before both."""
    config = Config(stage="deltas", sinks=[SinkConfig("jsonl"), SinkConfig("nats", stage="workloads")])
    sinks = chosen_sinks(config, options_of(), config.sinks)
    assert {name: each.kinds for name, each in sinks.items()} == {"jsonl": [DELTA], "nats": [WORKLOAD]}
    sinks = chosen_sinks(config, options_of("--stage", "flows"), config.sinks)
    assert [each.kinds for each in sinks.values()] == [[FLOW], [FLOW]]


def test_each_sink_may_have_limits_of_its_own() -> None:
    """Of its queue, its retries and what it gathers; what is not said has its default."""
    text = "[{name: jsonl, queue: {rows: 7}, retry: {attempts: 2}, batch: {rows: 9, seconds: 10}}, {name: console}]"
    config = load_config(None, {"TAILRACE_SINKS": text})
    limits = [each.limits for each in chosen_sinks(config, options_of(), config.sinks).values()]
    assert limits == [Limits(QueueLimits(rows=7), RetryLimits(attempts=2), BatchLimits(9, 10)), Limits()]


@pytest.mark.parametrize(
    ("sink", "complaint"),
    [
        ("{name: jsonl, queue: {rows: 0}}", "Expected `int` >= 1 - at `$.sinks[1].queue.rows`"),
        ("{name: jsonl, retry: {pause: 1}}", "unknown field `pause` - at `$.sinks[1].retry`"),
        ("{name: jsonl, batch: {seconds: 61}}", "at `$.sinks[1].batch.seconds`"),
        (
            "{name: jsonl, settings: {keep: many}}",
            "sink jsonl: Expected `int`, got `str` - at `$.sinks[1].settings.keep`",
        ),
        ("{name: jsonl, settings: {colour: 1}}", "unknown field `colour` - at `$.sinks[1].settings`"),
        ("{name: jsonl, settings: {path: ''}}", "at `$.sinks[1].settings.path`"),
    ],
)
def test_what_is_wrong_with_a_sink_is_named(sink: str, complaint: str) -> None:
    """With its path in the configuration."""

    def choose() -> None:
        config = load_config(None, {"TAILRACE_SINKS": f"[{{name: console}}, {sink}]"})
        chosen_sinks(config, options_of(), config.sinks)

    with pytest.raises(UsageError) as error:
        choose()
    assert complaint in str(error.value)
