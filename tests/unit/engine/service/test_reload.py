"""What a configuration that is read again changes, and what it says."""

import logging
from collections.abc import Callable

import pytest

from alerts.config import AlertRuleConfig, AlertsConfig
from engine.config import Config, SinkConfig
from engine.graph import Apply
from engine.service.reload import OF_TROUBLE, RELOADED, Reload, changes, reloaded_log_level
from model.errors import UsageError
from probes.tcp.config import TcpConfig


class Part:
    """Keeps the configurations that it was given.

    :param refuses: whether it cannot get ready.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self.taken: list[Config] = []
        self._refuses = refuses

    def __call__(self, config: Config) -> Apply:
        if self._refuses:
            raise UsageError("no such sink", "choose another")

        async def apply() -> None:
            self.taken.append(config)

        return apply


def giving(config: Config) -> Callable[[], Config]:
    return lambda: config


def broken() -> Config:
    raise UsageError("configuration: Object contains unknown field `snks`", "see docs/configuration.md")


async def test_what_changed_is_taken_over_and_named() -> None:
    """Sinks and names; of the rest is said that it needs a restart, also the next time."""
    part, new = Part(), Config(names={"10.0.0.0/8": "inside"}, tcp=TcpConfig(slots=128))
    reload = Reload(Config(), giving(new), [part])
    said = "the configuration was read again: {} changed; tcp.slots: restart Tailrace for it"
    assert await reload.run() == said.format("names")
    assert await reload.run() == said.format("nothing")
    assert part.taken == [new, new]


async def test_a_role_that_looks_for_no_trouble_takes_over_no_rules() -> None:
    new = Config(stage="deltas", alerts=AlertsConfig(rules=[AlertRuleConfig("r", "failed > 5%")]))
    said = await Reload(Config(), giving(new), [Part()], RELOADED - OF_TROUBLE).run()
    assert said.endswith("stage changed; alerts.rules: restart Tailrace for it")
    assert (await Reload(Config(), giving(new), [Part()]).run()).endswith("stage, alerts.rules changed")


async def test_a_broken_file_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """One line says why, as an error."""
    part = Part()
    with caplog.at_level(logging.INFO):
        said = await Reload(Config(), broken, [part]).run()
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", said)]
    assert said.startswith("the configuration stays as it was: configuration: Object contains unknown field")
    assert part.taken == []


async def test_a_part_that_cannot_get_ready_keeps_the_others_as_they_are() -> None:
    """All get ready before any of them takes over."""
    before, after = Part(), Part(refuses=True)
    said = await Reload(Config(), giving(Config(stage="deltas")), [before, after]).run()
    assert said == "the configuration stays as it was: no such sink: choose another"
    assert before.taken == []


async def test_the_log_level_is_taken_over() -> None:
    root = logging.getLogger()
    level = root.level
    try:
        await reloaded_log_level(Config(log_level="error"))()
        assert root.level == logging.ERROR
    finally:
        root.setLevel(level)


def test_changes_are_named_by_their_path() -> None:
    """Sections key by key, lists and mappings as a whole."""
    new = Config(tcp=TcpConfig(slots=7, ring_bytes=65536), sinks=[SinkConfig("console")])
    assert list(changes(Config(), new)) == ["tcp.slots", "tcp.ring_bytes", "sinks"]
