"""The terminal program of ``tailrace top``: tabs, a table that sorts and filters, a window for one row."""

from typing import Any, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static, Tab, Tabs

from engine.commands.top.board import NODES, SORTS, Board, Selection
from engine.commands.top.details import details
from engine.commands.top.driver import HangUpDriver
from engine.commands.top.pages import KINDS, PAGES, Page
from model.errors import TailraceError
from model.filter.filter import Filter
from model.kind import Kind
from model.public import PublicRow
from model.rows.words import printable
from model.text.table import TextColumn
from model.text.units import rate_text
from sinks.console.plain import time_text

#: Rows in the table at most; a filter shows the others.
ROWS: Final = 200
#: Seconds between looks at what is new.
REFRESH_SECONDS: Final = 0.5
_PLACEHOLDER: Final = "filter: / then words such as port:5432 failed>0 ns:shop -process:cron"
#: What a title of the table sorts by.
_TITLES: Final = {
    "→/s": "tx",
    "←/s": "rx",
    "RTX": "retransmits",
    "RTT": "rtt",
    "RTT50": "rtt",
    "OPEN": "opened",
    "FAIL": "failed",
}


class Details(ModalScreen[None]):
    """One row, all that it says."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Back")]
    DEFAULT_CSS = """
    Details { align: center middle; }
    Details > VerticalScroll { width: 90%; height: 90%; border: round $primary; background: $surface; padding: 0 1; }
    """

    def __init__(self, kind: Kind, row: PublicRow) -> None:
        super().__init__()
        self._kind = kind
        self.row = row

    def compose(self) -> ComposeResult:
        """The text, which scrolls."""
        with VerticalScroll():
            yield Static(details(self._kind, self.row))
        yield Footer()

    def show(self, row: PublicRow) -> None:
        """The same connection, a second later."""
        self.row = row
        self.query_one(Static).update(details(self._kind, row))


class TopApp(App[None]):
    """Shows its board until it is left.

    :param page: the tab shown first.
    :param text: the filter at first.
    """

    TITLE = "tailrace top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 2; padding: 0 1; }
    #fault { height: auto; color: $error; padding: 0 1; }
    DataTable { height: 1fr; }
    #filter { border: none; height: 1; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number + 1), f"page({number})", show=False) for number in range(len(PAGES))
        ),  # tabs say so
        Binding("slash", "filter", "Filter", priority=True),  # keys that follow at once are for the filter
        Binding("s", "sort", "Sort"),
        Binding("space", "freeze", "Freeze"),
        Binding("escape", "leave_filter", "Clear filter", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, *, page: int = 0, text: str = "") -> None:
        super().__init__(driver_class=HangUpDriver)
        self.board = Board(KINDS)
        self._page = page
        self._sort = 0
        self._wanted = Filter(text)
        self._text = text
        self._losses: dict[str, str] = {}
        self._rows: list[PublicRow] = []
        self._columns: list[TextColumn] = []
        self._note = "starting"
        self._mounted = False
        self._typed_wrong = ""  # what the filter's letters are no word for

    @property
    def _kind(self) -> Kind:
        return PAGES[self._page].kind

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        self._tabs = Tabs(*(Tab(page.title, id=f"page{number}") for number, page in enumerate(PAGES)))
        self._head_text = Static(id="head")
        self._table: DataTable[Text] = DataTable(cursor_type="row")
        self._fault = Static(id="fault")
        self._filter = Input(self._text, placeholder=_PLACEHOLDER, id="filter")
        yield from (self._tabs, self._head_text, self._table, self._fault, self._filter, Footer())

    def on_mount(self) -> None:
        """The table has the keys, and what is new comes by itself."""
        self._mounted = True
        self._tabs.active = f"page{self._page}"
        self._table.focus()
        self.set_interval(REFRESH_SECONDS, self.refresh_rows)

    def note(self, line: str) -> None:
        """What happened, for the line above the table."""
        self._note = line

    def lose(self, node: str, text: str) -> None:
        """What a node has lost since it started, in words; empty if nothing was."""
        self._losses.pop(node, None)
        if text and len(self._losses) < NODES:
            self._losses[node] = text

    def refresh_rows(self) -> None:
        """Shows what the board has now."""
        if not self._mounted:
            return
        page, table = PAGES[self._page], self._table
        try:
            found = self._select(page)
        except TailraceError as error:
            self._fault.update(Text(str(error)))
            return
        self._fault.update(Text(self._typed_wrong))
        self._head_text.update(self._head(found, page))
        kept = self._key(self._rows[table.cursor_row]) if 0 <= table.cursor_row < len(self._rows) else None
        self._layout(table, page)
        self._rows = found.top
        for row in found.top:
            shown = {"window": row.window, **row.row}
            style = page.kind.reading.style(row.row)
            table.add_row(
                *(_aligned(column, column.text(shown, column.width), style) for column in self._columns)
            )
        self._follow(table, kept)

    def _select(self, page: Page) -> Selection:
        if page.failures:
            return self.board.failures(page.kind, self._wanted, ROWS)
        return self.board.select(page.kind, self._wanted, SORTS[self._sort], ROWS)

    def _layout(self, table: DataTable[Text], page: Page) -> None:
        """The columns that the width holds."""
        text = page.kind.reading
        self._columns = (text.history if page.failures else text.live).fitted(max(20, self.size.width - 2))
        table.clear(columns=True)
        table.cell_padding = 0
        for place, column in enumerate(self._columns):
            table.add_column(
                _aligned(column, column.title), width=column.width + 1, key=f"{place}:{column.title}"
            )

    def _follow(self, table: DataTable[Text], key: tuple[Any, ...] | None) -> None:
        """The cursor stays on its row wherever that moved; an open window shows it as it is now."""
        places = {self._key(row): place for place, row in enumerate(self._rows)}
        if key is not None and key in places:
            table.move_cursor(row=places[key], animate=False)
        if isinstance(self.screen, Details) and (place := places.get(self._key(self.screen.row))) is not None:
            self.screen.show(self._rows[place])

    def _key(self, row: PublicRow) -> tuple[Any, ...]:
        names = ("connection.id", "connection.opened_at_ns") if "connection.id" in row.row else self._kind.key
        return (row.kind, *(str(row.row.get(name)) for name in names))

    def _head(self, found: Selection, page: Page) -> Text:
        if not found.window:
            return Text(f"{self._note}: no {page.kind.plural} yet", "dim")
        line = Text.assemble((time_text(found.window), "bold"), f"  nodes {found.nodes}")
        ranked = page.kind.rank if not page.kind.figures else ""
        rows = "rows" if ranked == page.kind.plural else page.kind.plural
        line.append(f"  {rows} {found.matched}" + (f" of {found.rows}" if self._wanted else ""))
        if ranked:
            line.append(f"  {ranked.rpartition('.')[2]} {found.opened}")
        if page.kind.figures or f"{page.kind.rank}.failed" in page.kind.types:
            line.append(f"  failed {found.failed}", "red" if found.failed else "")
        if not page.failures:
            if page.kind.figures:
                line.append(f"  to server {rate_text(found.tx_bytes)}  to client {rate_text(found.rx_bytes)}")
            by = page.kind.rank if page.kind.rank and not self._sort else SORTS[self._sort]
            by = by if page.kind.figures or by == "failed" else ranked.rpartition(".")[2]
            counted = (
                f"{page.kind.rank} {found.opened}" if page.kind.rank else f"retransmits {found.retransmits}"
            )
            line.append(f"  sorted by {by}" if ranked else f"  {counted}  sorted by {by}")
        if self.board.frozen:
            line.append("  FROZEN", "bold yellow")
        second = Text("nothing lost", "green")
        if self._losses:
            second = Text(
                "; ".join(f"{printable(node)} lost {text}" for node, text in self._losses.items()), "red"
            )
        if found.left_out:
            second.append(f"  {found.left_out} rows left out: more than fit here", "yellow")
        if len(found.top) < found.matched:
            second.append(f"  the first {len(found.top)} are shown", "dim")
        return Text("\n").join([line, second])

    def action_page(self, number: int) -> None:
        """Another tab."""
        if number < len(PAGES):
            self._tabs.active = f"page{number}"

    @on(Tabs.TabActivated)
    def _paged(self, event: Tabs.TabActivated) -> None:
        number = int(str(event.tab.id).removeprefix("page"))
        self._page, self._rows = number, []
        self._table.focus()
        self.refresh_rows()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the filter "/" is a letter."""
        return not (action == "filter" and isinstance(self.focused, Input))

    def action_filter(self) -> None:
        """The keys go to the filter."""
        self.screen.set_focus(self._filter)

    def action_leave_filter(self) -> None:
        """Every row again, and the keys to the table."""
        self._filter.value = ""
        self._table.focus()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self._table.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        """Filters with each letter; the last filter that made sense holds until the next one does."""
        try:
            wanted = Filter(event.value)
            wanted.of(self._kind)
        except TailraceError as error:
            self._typed_wrong = str(error)
            self._fault.update(Text(self._typed_wrong))
            return
        self._wanted, self._typed_wrong = wanted, ""
        self.refresh_rows()

    def action_sort(self) -> None:
        """By the next figure."""
        self._sort = (self._sort + 1) % len(SORTS)
        self.refresh_rows()

    @on(DataTable.HeaderSelected)
    def _sorted(self, event: DataTable.HeaderSelected) -> None:
        name = _TITLES.get(str(event.column_key.value).partition(":")[2])
        self._sort = SORTS.index(name) if name in SORTS else 0
        self.refresh_rows()

    def action_freeze(self) -> None:
        """What is shown stays, or goes on."""
        self.board.freeze()
        self.refresh_rows()

    @on(DataTable.RowSelected)
    def _opened(self, event: DataTable.RowSelected) -> None:
        if event.cursor_row < len(self._rows):
            self.push_screen(Details(self._kind, self._rows[event.cursor_row]))


def _aligned(column: TextColumn, text: str, style: str = "") -> Text:
    """A cell, with a blank before the next one."""
    return Text(text.rjust(column.width) if column.right else text, style, no_wrap=True)
