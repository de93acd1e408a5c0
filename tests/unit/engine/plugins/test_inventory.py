"""What there is: the probes and kinds of rows of Tailrace and of other packages, and what is wrong with them."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from engine.plugins import registry
from engine.plugins.inventory import inventory
from engine.plugins.listing import listed
from engine.plugins.table import overview
from model.errors import UsageError
from model.kinds import DECLARED
from model.probe import Probe
from probes.registry import PROBES

_KINDS = """
from tailrace.api import Column, Kind
FLOWS = Kind("stream", "flows", (Column("bytes", "<u8"),))
NUMBER = 3
GOOD = Kind("good", "goods", (Column("bytes", "<u8", "that moved"),))
"""

_PROBES = """
from tailrace.api import EventType, Feature, Hook, Probe
HOOK = Hook("their_program", "sched_switch")
GOOD = Probe("good", __name__, features=(Feature("good", "nothing", (HOOK,)),))
TWIN = Probe("tcp", __name__)
KERNEL = Probe("theirs", __name__, features=(Feature("adoption", "nothing", (HOOK,)),))
LOST = Probe("lost", __name__, events=(EventType("KIND_LOST", "lost_event", "theirs"),))
"""


@pytest.fixture
def kinds_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One with the plural of ours, one that is none, and a good one; of a package without a name."""
    (tmp_path / "their_kinds.py").write_text(_KINDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    group = registry.ROW_KIND.group
    theirs = [EntryPoint(name.lower(), f"their_kinds:{name}", group) for name in ("FLOWS", "NUMBER", "GOOD")]
    ours = registry._entry_points
    monkeypatch.setattr(
        registry, "_entry_points", lambda name: EntryPoints(theirs) if name == group else ours(name)
    )


def test_all_of_ours_are_there_and_usable() -> None:
    """Each probe that attaches something, and each kind, in the order of their registries."""
    found = inventory()
    assert not [each.fault for each in found if each.fault]
    by_kind = {
        kind: [each.plugin.name for each in found if each.plugin.kind is kind]
        for kind in registry.PLUGIN_KINDS
    }
    assert by_kind[registry.PROBE] == [probe.name for probe in PROBES if probe.features]
    assert by_kind[registry.ROW_KIND] == [kind.name for kind in DECLARED]
    assert {"console", "jsonl", "nats"} <= set(by_kind[registry.SINK])
    assert {"docker", "kubernetes", "process"} <= set(by_kind[registry.ENRICHER])


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.features], ids=lambda probe: probe.name)
def test_a_probe_is_listed_with_all_of_its_hooks(probe: Probe) -> None:
    """Whatever its features may attach stands among the ways of one of them."""
    (shown,) = (each for each in listed(probe.name) if each.kind == "probe")
    hooks = {hook for feature in shown.features for way in feature.ways for hook in way}
    assert hooks == {hook.name for hook in probe.hooks}


@pytest.mark.usefixtures("kinds_of_others")
def test_faults_of_kinds_are_told() -> None:
    """Of both that have one name, and of what is no kind; the others are as they were."""
    faults = {each.plugin.name: each.fault for each in inventory() if each.plugin.kind is registry.ROW_KIND}
    assert faults.pop("number") == (
        "row kind number of an unknown package is no tailrace.api.Kind, but int: see docs/plugins.md"
    )
    assert faults.pop("flow").startswith("two packages have a row kind flow: tailrace ")
    assert faults.pop("flows").startswith("two packages have a row kind flows: tailrace ")
    assert set(faults.values()) == {""}
    assert [column.name for column in listed("goods")[0].columns] == ["bytes"]


def test_faults_of_probes_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What ends every command that attaches probes shows here, and with whom it does not go together."""
    (tmp_path / "their_probes.py").write_text(_PROBES)
    monkeypatch.syspath_prepend(str(tmp_path))
    group, ours = registry.PROBE.group, registry._entry_points
    theirs = EntryPoints(
        EntryPoint(name, f"their_probes:{name}", group) for name in ("GOOD", "TWIN", "KERNEL", "LOST")
    )
    monkeypatch.setattr(registry, "_entry_points", lambda name: theirs if name == group else ours(name))
    faults = {
        each.plugin.name: each.fault
        for each in inventory()
        if each.plugin.kind is registry.PROBE and each.plugin.package != registry.OWN
    }
    assert faults["GOOD"] == ""
    assert "has the name of the probe tcp of Tailrace" in faults["TWIN"]
    assert "has a feature adoption, as another probe does" in faults["KERNEL"]
    assert "no KIND_LOST in its sources" in faults["LOST"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    """Its last column is wrapped, down to a least width; each plug-in begins one line."""
    text = overview(listed(), width)
    kinds = tuple(kind.name for kind in registry.PLUGIN_KINDS)
    assert sum(line.startswith(kinds) for line in text.splitlines()) == len(listed())
    if width >= 80:
        assert max(map(len, text.splitlines())) <= width


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    """In one line."""
    with pytest.raises(
        UsageError, match=r"unknown plug-in 'nosuch': there are: .*jsonl, .*docker, .*tcp, .*ledger"
    ):
        listed("nosuch")
