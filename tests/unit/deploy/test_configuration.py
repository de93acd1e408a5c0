"""The configuration that the package brings: it is read, and it says what there is."""

import re
from pathlib import Path

import msgspec
import pytest

from engine.config import Config, load_config

DEPLOY = Path(__file__).parents[3] / "deploy"
SHIPPED = DEPLOY / "tailrace.yaml"


def test_as_it_is_shipped_it_writes_rows_to_the_log_folder_of_the_unit() -> None:
    """All else is the default."""
    config = load_config(SHIPPED, {})
    assert [(sink.name, sink.settings["path"]) for sink in config.sinks] == [
        ("jsonl", "/var/log/tailrace/flows.jsonl")
    ]
    assert msgspec.structs.replace(config, sinks=[]) == Config()


def test_the_lines_that_are_commented_out_are_the_defaults(tmp_path: Path) -> None:
    """Whoever removes a ``#`` changes nothing yet."""
    plain = tmp_path / "plain.yaml"
    plain.write_text(re.sub(r"(?m)^#(?=  |\S)", "", SHIPPED.read_text()))
    config = load_config(plain, {})
    assert msgspec.structs.replace(config, sinks=[]) == Config()


@pytest.mark.parametrize("key", Config.__struct_fields__)
def test_every_section_stands_in_it_behind_a_sentence(key: str) -> None:
    lines = SHIPPED.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if re.match(rf"#?{key}:", line))
    assert re.match(r"# [A-Z].*\.$", lines[place - 1])


def test_the_configuration_of_the_engine_is_read() -> None:
    config = load_config(DEPLOY / "engine.yaml", {})
    assert (config.bus.url, [sink.name for sink in config.sinks]) == ("nats://127.0.0.1:4222", ["nats"])
