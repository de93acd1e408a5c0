"""Writes ``docs/schema.md`` from the declarations of the row kinds: ``python -m model.schema_page``."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from model.column import Column
from model.kind import Kind
from model.kinds import DECLARED
from model.message import MOST_ROWS

_PAGE: Final = Path(__file__).parents[1] / "docs" / "schema.md"

_HEAD: Final = """\
<!-- Made from the declarations in model/kinds by `python -m model.schema_page`: change it there. -->
# Schemas

Sinks and the public subjects carry [flows](#flows): a row for each connection and second. They are made of
[deltas](#deltas), a row for each socket and second, which `--stage deltas` gives instead; `--stage workloads` gives
what flows are summed up to: [workloads](#workloads). `--stage listeners` gives [listening sockets](#listeners). The
[ledger](#the-ledger) says what was lost on the way.

Numbers are little-endian. Fields are only ever added; a reader leaves aside what it does not know, and takes a column
that a message does not have for the default, which is 0 unless the table says another.
"""

_MESSAGES: Final = """\
## Messages

A batch of any kind is a msgpack map on the bus; a window comes in one or more of them (at most 3,000 rows of deltas
each, at most 950 kB and nine tenths of what the NATS server takes). [Subjects](subjects.md#deltas) has a complete
subscriber in a few lines.

{keys}

In Python, a column is `numpy.frombuffer(message["columns"]["tx_bytes"] or bytes(8 * message["n"]), "<u8")`.
"""

_KEYS: Final = (
    ("`v`", "1"),
    ("`kind`", "which rows these are: `delta`; not there in deltas of agents before this key"),
    (
        "`node`, `boot`",
        "who reports: the node's name; its boot id and the start of Tailrace, for slots begin anew with each",
    ),
    ("`seq`", "number of the message; with `kind`, `node` and `boot` it names the message for good"),
    ("`window`", "the second since the epoch"),
    ("`chunk`, `chunks`", "which of how many messages of this window"),
    ("`n`", f"rows, at most {MOST_ROWS:,}"),
    (
        "`columns`",
        "name → the column's bytes; none at all for a column of zeros. One whose default is not 0 is left out "
        "where all values are the default",
    ),
)


def schema_page(kinds: tuple[Kind, ...]) -> str:
    """The whole page."""
    kinds = tuple(kinds)
    messages = _MESSAGES.replace("{keys}", _table(("key", "meaning"), [*_KEYS, *_tables(kinds)]))
    return "\n".join([_HEAD, *map(_chapter, kinds), messages])


def _chapter(kind: Kind) -> str:
    def columns(match: re.Match[str]) -> str:
        return _columns(kind, (match[1] or "").strip())

    page = re.sub(
        r"\{columns( [a-z]+)?\}", columns, kind.page.replace("{columns}", "{columns}" + _key(kind), 1)
    )
    return f"## {kind.title or kind.plural.capitalize()}\n\n{page}"


def _key(kind: Kind) -> str:
    return f"\n\nA row is about one {', '.join(f'`{name}`' for name in kind.key)}." if kind.key else ""


def _columns(kind: Kind, group: str) -> str:
    columns = [column for column in kind.columns if column.group == group]
    prefix = f"{group}." if group else ""
    rows = [
        (f"`{column.name.removeprefix(prefix)}`", type_text(column), column.counted_in, _meaning(column))
        for column in columns
    ]
    return _table(("column", "type", "unit", "meaning"), rows)


def type_text(column: Column) -> str:
    """``u64``, ``i64``, ``16 bytes``."""
    kind, size = column.dtype.kind, column.dtype.itemsize
    return f"{kind}{8 * size}" if kind in "iuf" else f"{size} bytes"


def _meaning(column: Column) -> str:
    default = f"default {column.default!s}" if column.default else ""
    return "; ".join(filter(None, (column.meaning, default)))


def _tables(kinds: tuple[Kind, ...]) -> Iterator[tuple[str, str]]:
    """The tables that a message may have, and what points into them."""
    for name in dict.fromkeys(name for kind in kinds for name in kind.tables):
        pointing = [kind.column(index) for kind in kinds for index in kind.indexes.get(name, ())]
        table = next(kind.tables[name] for kind in kinds if name in kind.tables)
        yield f"`{name}`", f"{table.meaning} ({', '.join(dict.fromkeys(map(_bare, pointing)))})"


def _bare(column: Column) -> str:
    name = column.name.removeprefix(f"{column.group}.") if column.group else column.name
    return f"`{name}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("".join(f"| {cell} " if cell else "| " for cell in cells) + "|" for cells in lines)


def main() -> None:
    """Writes the page anew."""
    _PAGE.write_text(schema_page(DECLARED))


if __name__ == "__main__":
    main()
