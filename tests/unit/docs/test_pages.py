"""The pages for users name what the code has: columns, keys, variables, stages, commands, files."""

import re
from pathlib import Path

import pytest

from engine.cli import build_parser
from engine.config import Config, _keys
from engine.plugins.sinks import sink_names
from model.kinds.delta import DELTA, CloseReason, Evidence, Role
from model.kinds.flow import END_COLUMNS, FLOW, SIDES, FlowEvidence
from model.kinds.workload import KINDS, WORKLOAD

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text()


_ROW = re.compile(r"^\| ((?:`[a-z_.]+`(?:, )?)+) \| (u\d+|i64|\d+ bytes|) ?\|", re.MULTILINE)


def columns_of(chapter: str) -> list[tuple[str, str]]:
    """Columns that the tables of a chapter of the schema page list, in order, with their types."""
    text = page("docs/schema.md").split(f"\n## {chapter}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return [(name, kind) for names, kind in _ROW.findall(text) for name in re.findall(r"`(.*?)`", names)]


def type_of(kind: str) -> str:
    """A numpy type as the page writes it."""
    size = int(kind[2:]) if kind[0] == "<" else int(kind[1:])
    return f"{kind[1]}{8 * size}" if kind[0] == "<" else f"{size} bytes"


def test_the_schema_page_lists_every_delta_column_in_order() -> None:
    """Each column is a row of the table, as the code orders them, with its type."""
    assert columns_of("Deltas") == [(name, type_of(kind)) for name, kind in DELTA.types.items()]


def test_the_schema_page_lists_every_flow_column_in_order() -> None:
    """Those of the connection, then those that each end has; without a type where deltas have the same."""
    listed = columns_of("Flows")
    head = [name for name in FLOW.types if name not in ENDS]
    assert [name for name, _ in listed] == [*head, *END_COLUMNS]
    types = [
        *(FLOW.types[name] for name in head),
        *(FLOW.types[f"client.{name}"] for name in END_COLUMNS),
    ]
    for (name, kind), column in zip(listed, types, strict=True):
        assert kind == type_of(column) or (not kind and DELTA.types[name] == column), name


def test_the_schema_page_lists_every_workload_column_in_order() -> None:
    """Each column is a row of the table, with its type; kinds stand in the order of the rule."""
    listed = [(name, kind) for name, kind in columns_of("Workloads") if kind]
    assert listed == [(name, type_of(kind)) for name, kind in WORKLOAD.types.items()]
    rule = re.findall(r"^\| `([a-z]+)` \|", page("docs/schema.md").split("\n## Workloads\n")[1], re.MULTILINE)
    assert tuple(rule[: len(KINDS)]) == KINDS


ENDS = {f"{side}.{name}" for side in SIDES for name in END_COLUMNS}


@pytest.mark.parametrize("enum", [Role, Evidence, CloseReason, FlowEvidence])
def test_the_schema_page_gives_every_number_its_word(enum: type[Role]) -> None:
    """Numbers of enums stand beside their words."""
    for member in enum:
        assert f"{member.value} {member.name.lower()}" in page("docs/schema.md")


def test_the_configuration_page_lists_every_key_and_variable() -> None:
    """Nothing can be configured that the page does not name."""
    text = page("docs/configuration.md")
    for variable, path, _ in _keys(Config, ()):
        assert f"| `{'.'.join(path)}` | `{variable}` |" in text, variable


def test_every_sink_has_a_chapter() -> None:
    """Installed sinks and chapters of the page are the same."""
    chapters = re.findall(r"^## ([a-z]+)$", page("docs/sinks.md"), re.MULTILINE)
    assert sorted(chapters) == sink_names()


def test_the_readme_names_every_command() -> None:
    """The command line offers what the README says, and nothing more."""
    actions = [action for action in build_parser()._actions if action.dest == "command"]
    assert actions[0].choices is not None
    offered = set(actions[0].choices)
    assert set(re.findall(r"^tailrace ([a-z]+)", page("README.md"), re.MULTILINE)) == offered


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of the project names one that exists; no placeholder was left."""
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
    assert not re.search(r"\b(MEMORY|FIGURES|SELFTEST_OUTPUT|MEASURED_\w+)\b", text)
