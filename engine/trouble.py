"""Incidents as an end of the graph: looks at trouble become incidents on disk, of which targets are told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec

from actors.explain.causes import Explanation
from actors.incidents.incidents import Times
from actors.incidents.items import Change, Incident
from actors.incidents.message import Facts, alert_of
from actors.incidents.next_step import next_step
from actors.items import Chunk
from actors.rules.grammar import Rule
from actors.rules.rules import Rules
from actors.trouble.counting import Counting
from actors.trouble.items import Look, Remembered
from actors.trouble.watch import Watch
from alerts.book import Book
from alerts.courier import Courier
from alerts.journal import JOURNAL, Journal
from engine.actor import Outlet, Place
from engine.config import Config
from engine.graph import Apply, Graph, Prepare
from engine.incident_source import WrittenIncidents, settle_planned
from engine.plugins.alert_targets import make_targets, opened
from model.alert import Alert
from model.errors import TailraceError
from model.kinds.ledger import LEDGER
from model.kinds.listener import LISTENER
from model.ledger import Ledger

#: Files beside the journal: of the detector, of edges that were ill since, of rules, and of what is slow.
WHOLE: Final = "detector.state"
ILL: Final = "ill.state"
RULES: Final = "rules.state"
HABITS: Final = "habits.state"
#: The folder, within ``trouble.path``, of what a replay finds.
REPLAYED: Final = "replay"
#: Seconds until a journal that took no more is tried again.
_AGAIN_S: Final = 10.0

log = logging.getLogger(__name__)


def watch_trouble(
    graph: Graph, config: Config, joined: Place, messages: Place | None = None
) -> WrittenIncidents:
    """Adds what finds trouble and tells of it to a graph.

    :param joined: hands on windows with rows of workloads and endpoints.
    :param messages: hands on ledgers and rows of listeners.
    """
    folder = Path(config.trouble.path)
    outlet = IncidentsOutlet(config, folder, graph.ledger)
    graph.service(outlet.opened())
    graph.task(outlet.run)
    graph.reloads.append(outlet.reloaded)
    watch(graph, config, folder, joined, messages, outlet)
    return WrittenIncidents(lambda: outlet.book, outlet.wake)


def watch_recorded_trouble(graph: Graph, config: Config, joined: Place, messages: Place) -> None:
    """As ``watch_trouble``, in a recording: nobody is told, and what an earlier replay kept is gone."""
    folder = Path(config.trouble.path) / REPLAYED
    for name in (JOURNAL, WHOLE, ILL, RULES, HABITS):
        (folder / name).unlink(missing_ok=True)
    trouble = msgspec.structs.replace(config.trouble, path=str(folder))
    alerts = msgspec.structs.replace(config.alerts, targets=[], routes=[])
    watch_trouble(graph, msgspec.structs.replace(config, trouble=trouble, alerts=alerts), joined, messages)


def watch(
    graph: Graph, config: Config, folder: Path, joined: Place, messages: Place | None, outlet: Outlet
) -> None:
    """Adds the detector to a graph, with its outlet.

    :param folder: for what it learns.
    """
    rules = _rules([rule.rule() for rule in config.alerts.rules], folder)
    actor = _watch(graph.ledger, folder, config.trouble.tick_seconds, rules)
    adopt_habits(actor, folder)
    graph.reloads.append(reloaded_rules(actor.replace))
    detect = graph.actor("detect", actor)
    joined >> detect >> graph.outlet("incidents", outlet)
    if messages is not None:
        messages.where(is_watched) >> detect
    if not graph.recorded:
        graph.clock("silence", 1.0) >> detect


def reloaded_rules(*takers: Callable[[Sequence[Rule]], None]) -> Prepare:
    """``alerts.rules``: those that read as before go on.

    :param takers: are given them.
    """

    def prepare(config: Config) -> Apply:
        rules = [rule.rule() for rule in config.alerts.rules]

        async def apply() -> None:
            for take in takers:
                take(rules)

        return apply

    return prepare


class IncidentsOutlet:
    """Keeps incidents, and has targets told.

    :param folder: for what is kept.
    :param serves: whether this process serves the page of an incident.
    :ivar book: None while it is not open.
    """

    def __init__(self, config: Config, folder: Path, ledger: Ledger, *, serves: bool = True) -> None:
        self._config = config
        self._serves = serves and config.web.enabled != "off"
        self._folder = folder
        self._ledger = ledger
        self._stage = ledger.stage("incidents", "looks")
        self._explained: dict[str, Explanation] = {}  # by the incident's key
        self._latest: dict[str, Explanation] = {}  # by the trouble's
        self._nodes = (0, 0)
        self.book: Book | None = None
        self._courier: Courier | None = None
        self._open = AsyncExitStack()  # the targets

    @asynccontextmanager
    async def opened(
        self,
        kept: Mapping[str, Any] | None = None,
        copied: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> AsyncIterator[None]:
        """Journal and targets are open while the block runs.

        :param kept: what the journal is to begin with, in place of what it has; None, or nothing: that.
        :param copied: is given all that is written to it.
        :raises UsageError: if the journal cannot be written, or a file of a target cannot be read.
        """
        alerts = self._config.alerts
        targets = make_targets(alerts)
        async with AsyncExitStack() as stack:
            journal = Journal(self._folder / JOURNAL, copied=copied)
            stack.callback(journal.close)
            if kept is not None:
                journal.begin(kept)
            self._open = await stack.enter_async_context(AsyncExitStack())
            await self._open.enter_async_context(opened(targets))
            # the detector has waited for three ticks of evidence: one more, to see what belongs together
            times = Times(hold=float(self._config.trouble.tick_seconds))
            self.book = Book(journal, alerts.routing(), self._message, times, self._cause, self._ledger)
            settle_planned(self.book, self._config.trouble.silences, time())
            self._courier = Courier(self.book.outbox, targets)
            stack.callback(self._shut)
            yield

    def reloaded(self, config: Config) -> Apply:
        """``alerts.targets``, ``alerts.routes`` and ``trouble.silences``: all targets are opened anew.

        :raises UsageError: if a target cannot be made.
        """
        alerts = config.alerts
        trouble = msgspec.structs.replace(self._config.trouble, silences=config.trouble.silences)
        targets = make_targets(alerts)

        async def apply() -> None:
            if self.book is not None and self._courier is not None:
                fresh = AsyncExitStack()
                await fresh.enter_async_context(opened(targets))
                await self._courier.replace(targets)
                self.book.route(alerts.routing())
                settle_planned(self.book, trouble.silences, time())
                before = self._open.pop_all()
                self._open.push_async_exit(fresh)
                await before.aclose()
                self._courier.wake()
            self._config = msgspec.structs.replace(self._config, alerts=alerts, trouble=trouble)

        return apply

    def _shut(self) -> None:
        self.book = None

    async def run(self) -> None:
        """Take alerts to targets until it is cancelled; a journal that takes no more is tried again."""
        assert self._courier is not None
        while True:
            try:
                await self._courier.run()
            except* TailraceError as errors:
                log.warning("alerts wait: %s", errors.exceptions[0])
            await asyncio.sleep(_AGAIN_S)

    def wake(self) -> None:
        """Something is to be told."""
        assert self._courier is not None
        self._courier.wake()

    async def take(self, item: Look | Remembered) -> None:
        """A look at everything, or state to keep."""
        if isinstance(item, Remembered):
            await asyncio.to_thread(self._keep, item)
        else:
            self._look(item)

    async def flush(self) -> None:
        """All is on disk when ``take`` returns."""

    def _look(self, look: Look) -> None:
        assert self.book is not None
        self._stage.received += 1
        self._latest, self._nodes = dict(look.explanations), look.nodes
        try:
            changes = self.book.tick(look.tick, look.events)
        except TailraceError as error:
            self._stage.drop("not_kept")
            log.warning("incidents are not kept: %s", error)
            return
        self._stage.delivered += 1
        if changes:
            self.wake()
        self._stage.noted.update(self.book.incidents.counts - self._stage.noted)
        alive = {incident.key for incident in self.book.incidents}
        self._explained = {key: value for key, value in self._explained.items() if key in alive}

    def _message(self, change: Change) -> Alert:
        incident = change.incident
        found = (self._latest[key] for key in incident.troubles if key in self._latest)
        explanation = next((each for each in found if each.causes[0].where == incident.where), None)
        if explanation is not None:
            self._explained[incident.key] = explanation
        callers = len({edge.partition(" > ")[0] for edge in incident.edges})
        told, link = self._cause(incident), self._link(incident)
        nodes, all_nodes = self._nodes
        step = next_step(incident, told)
        return alert_of(change, Facts(told, told.just_before, callers, nodes, all_nodes, link, step))

    def _link(self, incident: Incident) -> str:
        """To its page; empty: none is served."""
        web = self._config.web
        page = web.address if self._serves else web.url.rstrip("/")
        return f"{page}/incident/{incident.key}" if page else ""

    def _cause(self, incident: Incident) -> Explanation:
        """The newest; that of before a restart, while there is none since."""
        assert self.book is not None
        known = self._explained.get(incident.key)
        return known or self.book.archive.history(incident.key).explanation

    def _keep(self, state: Remembered) -> None:
        """Either the old file is there or the new one; without one the detector learns again."""
        name = WHOLE if state.whole else ILL
        told = keep_learnt(self._folder, {name: state.data, RULES: state.rules, HABITS: state.habits})
        if told and state.whole:
            (self._folder / ILL).unlink(missing_ok=True)


def keep_learnt(folder: Path, states: Mapping[str, bytes]) -> bool:
    """Write files; an empty one stays as it was, and one that cannot be written is logged.

    :return: whether all are there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        for name, data in states.items():
            if data:
                path = folder / name
                path.with_suffix(".new").write_bytes(data)
                path.with_suffix(".new").replace(path)
    except OSError as error:
        log.warning("what the detector learnt is not kept: %s: %s", folder, error.strerror)
        return False
    return True


def adopt_habits(actor: Watch | Counting, folder: Path) -> None:
    """What was slow before the restart, if it can be read."""
    try:
        if data := _read(folder / HABITS):
            actor.adopt_habits(data)
    except ValueError as error:
        log.warning("what is slow is learnt anew: %s: %s", folder / HABITS, error)


def _watch(ledger: Ledger, folder: Path, tick_s: int, rules: Rules) -> Watch:
    """With the state of before, if there is some that can be read."""
    kept = [data for name in (ILL, WHOLE) if (data := _read(folder / name))]
    try:
        return Watch(ledger, kept, tick_s, rules)
    except ValueError as error:
        log.warning("the detector learns anew: %s: %s", folder, error)
        return Watch(ledger, tick_s=tick_s, rules=rules)


def _rules(rules: Sequence[Rule], folder: Path) -> Rules:
    """With the windows of before, likewise."""
    watched = Rules(rules)
    try:
        if rules and (data := _read(folder / RULES)):
            watched.adopt(data)
    except ValueError as error:
        log.warning("rules begin anew: %s: %s", folder / RULES, error)
        return Rules(rules)
    return watched


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        log.warning("the detector learns anew: %s: %s", path, error.strerror)
        return b""


def is_watched(item: Any) -> bool:
    """Whether it says what was lost, or what listeners dropped."""
    return isinstance(item, Chunk) and item.batch.kind in (LEDGER, LISTENER)
