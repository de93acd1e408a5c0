"""Configuration: file, environment, and errors that name the key."""

from pathlib import Path

import pytest

from engine.config import load_config
from model.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "tailrace.yaml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    """Without file and environment everything has its default."""
    config = load_config(None, {})
    assert (config.tcp.slots, config.tcp.ring_bytes, config.bus.url) == (65536, 8 << 20, "memory://")


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A variable named after a key's path replaces what the file says, and leaves its neighbours."""
    path = write(tmp_path, "node: a\ntcp: {slots: 10, counters: segment}\n")
    config = load_config(path, {"TAILRACE_TCP_SLOTS": "20", "HOME": "/"})
    assert (config.node, config.tcp.slots, config.tcp.counters) == ("a", 20, "segment")


def test_text_stays_text() -> None:
    """A node called 007 is not the number 7."""
    assert load_config(None, {"TAILRACE_NODE": "007"}).node_name == "007"


def test_lists_can_come_from_the_environment() -> None:
    """Sinks are written as YAML."""
    config = load_config(None, {"TAILRACE_SINKS": "[{name: jsonl, settings: {path: /tmp/x}}]"})
    assert [(sink.name, sink.settings) for sink in config.sinks] == [("jsonl", {"path": "/tmp/x"})]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tcp: {slotz: 3}", "unknown field `slotz` - at `$.tcp`"),
        ("tcp: {slots: 0}", "`$.tcp.slots`"),
        ("tcp: {ring_bytes: 100000}", "power of two"),
        ("bus: {url: 'rabbit://'}", "memory://"),
        ("docker: {url: /var/run/docker.sock}", "unix://"),
        ("cloud: {source: nimbus}", "`$.cloud.source`"),
        ("names: {10.0.0.0/8: 7}", "`$.names[...]`"),
        ("sinks: [{name: console, colour: red}]", "unknown field `colour` - at `$.sinks[0]`"),
        ("- a\n- b", "holds no keys"),
        ("a: [", "did not find expected node content (line 2, column 1)"),
        ("node: a\nnode: b\n", "`node` is given twice, in lines 1 and 2"),
        ("tcp:\n  slots: 16\n  slots: 32\n", "`tcp.slots` is given twice, in lines 2 and 3"),
        ("sinks:\n  - {name: jsonl, name: console}\n", "`sinks[0].name` is given twice, in lines 2 and 2"),
        ("a: &a [*a]", "a[0] holds itself"),
        ("node: !!python/object/apply:os.getcwd []", "tag"),
        ("{" * 100, "column"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """Unknown keys, wrong values and broken files end with the place and what is wrong there."""
    with pytest.raises(UsageError) as error:
        load_config(write(tmp_path, text), {})
    assert complaint in str(error.value)
    assert "tailrace.yaml" in str(error.value)


def test_an_unknown_variable_is_refused() -> None:
    """A variable with our prefix that sets nothing is a mistake, and the known ones are listed."""
    with pytest.raises(UsageError, match=r"unknown variable TAILRACE_TCP_SLOTZ: known: .*TAILRACE_TCP_SLOTS"):
        load_config(None, {"TAILRACE_TCP_SLOTZ": "1"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which file cannot be read, and why."""
    with pytest.raises(UsageError, match="No such file"):
        load_config(tmp_path / "none.yaml", {})
