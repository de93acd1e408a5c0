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
from model.narrowing import unknown
from sinks.configured import ConfiguredSink
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from tailrace.testing import make_flows

CONSOLE = [SinkConfig("console")]
#: What the sink `nats` takes.
TAKES = " and ".join(("flows", "workloads", "endpoints", "requests", "queries", "listeners", "drops"))


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
        UsageError,
        match=f"no rows are called '(rows|ledgers)' - at {place}: .* flows, workloads, .*, drops, deltas",
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
    message = f"sink nats takes {TAKES} only: choose another sink for deltas, or leave out --stage deltas"
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
        f"tailrace: sink nats takes {TAKES} only: choose another sink for deltas, or leave out --stage deltas\n"
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


def where_of(text: str) -> ConfiguredSink:
    """A sink ``jsonl`` with these keys beside its name."""
    config = load_config(None, {"TAILRACE_SINKS": f"[{{name: jsonl, {text}}}]"})
    (sink,) = chosen_sinks(config, options_of(), config.sinks).values()
    return sink


def test_where_and_fields_say_what_a_sink_gets() -> None:
    """Rows that match, with these fields; what names the batch is always there."""
    batch = make_flows(500)
    shape = where_of("where: 'opened>0 evidence:both', fields: [connection.id, '*.port', evidence]").shape
    rows = list(shape(batch).rows())
    wanted = [row for row in batch.rows() if row.get("connection.opened") and row["evidence"] == "both"]
    names = {"kind", "node", "boot", "seq", "window"}
    names |= {"connection.id", "client.port", "service.port", "server.port", "evidence"}
    assert rows == [{name: value for name, value in row.items() if name in names} for row in wanted]
    assert len(rows) > 5


def test_brief_fields_are_those_that_a_kind_declares() -> None:
    """Each declared pattern means something, and rows are less than half as long."""
    for kind in (FLOW, DELTA, WORKLOAD):
        assert not unknown(kind.brief, kind.rows.fields, kind.entities)
    entity = dict.fromkeys(
        ("k8s.pod.name", "k8s.pod.uid", "process.command_line", "container.id", "container.image.id"),
        "x" * 40,
    )
    owned = {f"{side}.entity.index": 1 for side in ("client", "server")}
    batch = make_flows(100, columns=owned).with_tables(entities=[{}, entity])
    whole, brief = (
        sum(len(lines) for _, lines in each.json_lines())
        for each in (batch, where_of("fields: brief").shape(batch))
    )
    assert brief < 0.5 * whole
    (row, *_) = where_of("fields: brief").shape(batch).rows()
    assert {*row.get("client.entity", {}), *row.get("server.entity", {})} == {"k8s.pod.name"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("where: 'prt:80'", r"did you mean port\?"),
        ("where: 'prt:80'", r"at `\$.sinks\[0\].where`"),
        (
            "fields: [client.prot]",
            r"flows have no field 'client.prot' - at `\$.sinks\[0\].fields`: did you mean client.port\?",
        ),
        ("fields: short", "flows have no field 'short'"),
    ],
)
def test_a_filter_or_field_that_means_nothing_is_refused(text: str, said: str) -> None:
    """With its place."""
    with pytest.raises(UsageError, match=said):
        where_of(text)


def test_words_of_the_command_line_are_for_all_sinks() -> None:
    """Beside the filter that a sink has of its own."""
    options = options_of("--sink", "jsonl")
    options.filter = ["failed>0", "port:1-65535"]
    (sink,) = chosen_sinks(Config(), options, CONSOLE).values()
    batch = make_flows(200)
    assert len(sink.shape(batch)) == int(batch.columns["connection.failed"].sum())
