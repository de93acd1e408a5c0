"""The pages for users name what the code has: columns, keys, variables, stages, commands, files."""

import re
from pathlib import Path

import pytest

from engine.cli import build_parser
from engine.config import Config, _keys
from engine.plugins.sinks import sink_names
from model.filter.filter import Filter
from model.filter.names import NAMES
from model.filter.targets import targets
from model.kind import Kind
from model.kinds import DECLARED
from model.kinds.delta import CloseReason, Evidence, Role
from model.kinds.flow import FlowEvidence
from model.kinds.workload import KINDS, WORKLOAD
from model.schema_page import schema_page

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_schema_page_is_what_the_kinds_declare() -> None:
    """Whoever adds a column writes the page anew: ``python -m model.schema_page``."""
    assert page("docs/schema.md") == schema_page(DECLARED)


def test_the_schema_page_lists_workload_kinds_in_the_order_of_the_rule() -> None:
    """Those beside the kinds of Kubernetes, the surest first."""
    rule = re.findall(r"^\| `([a-z]+)` \|", WORKLOAD.page, re.MULTILINE)
    assert tuple(rule) == KINDS


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.name)
def test_the_schema_page_says_what_a_column_points_into(kind: Kind) -> None:
    """Every index column has a meaning, and every table too."""
    assert all(kind.column(index).meaning for indexes in kind.indexes.values() for index in indexes)
    assert all(table.meaning for table in kind.tables.values())


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


def test_the_page_of_filters_lists_every_key() -> None:
    """With the kinds that have it, an example that means something, and what it is."""
    lines = re.findall(
        r"^\| `(\w+)` \| ([\w, ]+) \| `(.+)` \| (.+) \|$", page("docs/filters.md"), re.MULTILINE
    )
    assert [line[0] for line in lines] == list(NAMES)
    for key, rows, example, meaning in lines:
        assert rows.split(", ") == [
            kind.plural for kind in DECLARED if kind.columns and targets(kind, key)
        ], key
        assert meaning == NAMES[key].meaning
        Filter(example).of(next(kind for kind in DECLARED if targets(kind, key)))


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


@pytest.mark.parametrize("file", ["events.h", "lookups.c", "__init__.py"])
def test_the_page_of_probes_shows_the_example(file: str) -> None:
    """As it is, but for its docstrings."""
    text = (ROOT / "examples" / "probe-lookups" / "tailrace_probe_lookups" / file).read_text()
    bare = re.sub(r'^ *"""[^"]*"""\n\n', "", text, flags=re.MULTILINE)
    assert bare in page("docs/writing-a-probe.md")
