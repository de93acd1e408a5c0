"""Commands that the example rules of Prometheus name: each is one that there is."""

import re
import shlex
from pathlib import Path

import yaml

from engine.cli import build_parser
from engine.commands.filter_words import parsed
from model.filter.filter import Filter
from model.kinds import kind_named

RULES = Path(__file__).parents[3] / "deploy/prometheus/alerts.yaml"


def test_commands_to_look_at_are_understood() -> None:
    """With their rows and the words of their filters; labels stand for names."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    texts = [rule["annotations"]["description"] for group in groups for rule in group["rules"]]
    commands = [text.partition("Look: tailrace ")[2] for text in texts if "Look: tailrace " in text]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(re.sub(r"{{.*?}}", "name", command))
        options = parsed(build_parser(), words)
        kind = kind_named(options.rows or "flows")
        assert kind is not None
        Filter(" ".join(options.filter)).of(kind)
