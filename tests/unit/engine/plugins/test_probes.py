"""Probes of other packages: found by entry point or module, and refused in one line where they cannot be."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engine.config import Config
from engine.plugins import probes as plugged
from engine.plugins.probes import select
from engine.plugins.registry import PROBE, Plugin
from model import kinds
from model.errors import UsageError
from probes.registry import PROBES

EXAMPLE = Path(__file__).parents[4] / "examples" / "probe-lookups"
MODULE = "tailrace_probe_lookups:PROBE"
HEADER = "enum their_event { KIND_THEIRS = 200 };\nstruct their_event {\n\tstruct event_header header;\n};\n"
THEIRS = """
from tailrace.api import EventType, Feature, Hook, Kind, Column, Probe, Ring

class Theirs:
    name, kind = "theirs", Kind({kind!r}, {kind!r} + "s", (Column("number", "<u4"),))

HOOK = Hook("theirs", "sys_enter")
EVENT = EventType("KIND_THEIRS", "their_event", "theirs", ring=Ring("theirs"))
PROBE = Probe({name!r}, __name__, ("events.h",), (), (Feature({feature!r}, "tests", (HOOK,)),), (EVENT,), (Theirs,))
OTHER = 7
"""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of rows that a test declares are forgotten after it; no probe is installed but by the test."""
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    monkeypatch.setattr(plugged, "installed", lambda _: [])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """For modules of others."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, module: str, name: str = "theirs", feature: str = "", kind: str = "their") -> str:
    """A package with a probe; returns how the configuration names it."""
    (folder / module).mkdir()
    text = THEIRS.format(name=name, feature=feature or f"what {name} see", kind=kind)
    (folder / module / "__init__.py").write_text(text)
    (folder / module / "events.h").write_text(HEADER)
    return f"{module}:PROBE"


def installed(module: str, name: str, package: str = "their-package") -> Plugin:
    """A probe that came with a distribution."""
    return Plugin(PROBE, name, package, "1.0", EntryPoint(name, module, PROBE.group))


def test_a_probe_is_loaded_by_a_line_of_configuration(folder: Path) -> None:
    """Behind those of Tailrace, with its event and the kind of its rows."""
    selection = select(Config(probes={MODULE: "on"}))
    assert [probe.name for probe in selection.wanted] == [*(probe.name for probe in PROBES), "lookups"]
    assert selection.event_types.numbers["KIND_LOOKUP"] == 128
    assert [receiver.name for receiver in selection.receivers()] == ["lookups"]
    kind = kinds.kind_named("lookups")
    assert kind is not None
    assert [column.name for column in kind.columns] == ["process.pid", "process.comm", "lookups"]


def test_an_installed_probe_is_attached_unless_it_is_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing it is enough; its name under `probes` switches it off."""
    monkeypatch.setattr(plugged, "installed", lambda _: [installed(MODULE, "lookups")])
    assert "lookups" in {probe.name for probe in select(Config()).wanted}
    off = select(Config(probes={"lookups": "off"}))
    assert "lookups" not in {probe.name for probe in off.wanted}
    assert "lookups" in {probe.name for probe in off.known}
    assert off.off()[0].refused == {"uprobe libc.so.6:getaddrinfo": "probes.lookups is off"}


def test_a_probe_of_tailrace_needs_its_line_in_the_registry_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are known, and it has a key under `probes` like those of others."""
    lookups = importlib.import_module(MODULE.partition(":")[0]).PROBE
    monkeypatch.setattr(plugged, "PROBES", (*PROBES, lookups))
    assert lookups in select(Config()).wanted
    assert kinds.kind_named("lookups") is not None
    off = select(Config(probes={"lookups": "off"}))
    assert lookups not in off.wanted
    assert off.off()[0].refused == {"uprobe libc.so.6:getaddrinfo": "probes.lookups is off"}


def test_a_probe_of_another_module_may_be_off(folder: Path) -> None:
    """By the name with which the configuration loads it."""
    assert "lookups" not in {probe.name for probe in select(Config(probes={MODULE: "off"})).wanted}


def test_two_probes_of_others_go_together(folder: Path) -> None:
    """Each has its ring and its receiver."""
    selection = select(Config(probes={MODULE: "on", write(folder, "their_probe"): "auto"}))
    assert set(selection.event_types.rings) == {"lookups", "theirs"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nobody", "probes.nobody: unknown probe: installed probes of other packages: none"),
        (
            "no_such_module:PROBE",
            "probe no_such_module:PROBE of the configuration cannot be imported .ModuleNotFound",
        ),
        ("their_probe:NONE", "cannot be imported .AttributeError"),
        ("their_probe:OTHER", "is no tailrace.api.Probe, but int: see docs/writing-a-probe.md"),
    ],
)
def test_what_is_no_probe_is_refused(folder: Path, name: str, line: str) -> None:
    """With the name that the configuration gives it."""
    write(folder, "their_probe")
    with pytest.raises(UsageError, match=line):
        select(Config(probes={name: "on"}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": "tcp"}, "has the name of the probe tcp of Tailrace: rename one of them"),
        ({"name": "lookups"}, "has the name of probe .*(their_probe|lookups):PROBE"),
        ({"feature": "adoption"}, "has a feature adoption, as another probe does: rename it"),
        ({"feature": "lookups of names"}, "has a feature lookups of names, as another probe does"),
        ({"kind": "flow"}, r"there is a kind flow \(flows\) already: rename its kind of rows"),
    ],
)
def test_names_are_given_once(folder: Path, changes: dict[str, str], line: str) -> None:
    """Of probes, of features and of kinds of rows."""
    theirs = write(folder, "their_probe", **changes)
    with pytest.raises(UsageError, match=line):
        select(Config(probes={MODULE: "on", theirs: "on"}))


def test_a_broken_probe_that_is_off_harms_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its package could not be lived with."""
    monkeypatch.setattr(plugged, "installed", lambda _: [installed("no_such_module:PROBE", "broken")])
    assert select(Config(probes={"broken": "off"})).wanted == PROBES
    with pytest.raises(UsageError, match=r"probe broken of their-package 1.0 cannot be imported"):
        select(Config())
