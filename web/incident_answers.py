"""What is answered about incidents and silences, and where it comes from. Times are whole seconds since the epoch."""

from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from model.alert import Severity
from model.silence import KEYS, SilenceWords
from store.queries.answers import Answer

State = Literal["open", "resolved"]


class Acknowledged(Answer, frozen=True):
    """Somebody looks at it."""

    by: str
    at_s: int = msgspec.field(name="at")


class IncidentRow(Answer, frozen=True):
    """One incident in a list.

    :param id: never changes; its page is at ``/incident/ID``.
    :param subject: whom it hits, such as ``shop/checkout``.
    :param symptom: what is bad, such as ``connect_failed``.
    :param summary: how bad, in words.
    :param ended_s: null while it is open.
    :param share: bad of total, 0..1; ``expected`` the same when all is well.
    :param where: value by attribute of what explains it; empty: nothing does.
    :param edges: how many are hit.
    :param silenced_by: the silence for which nobody is told of it; empty: targets are told.
    :param no_data_since_s: since when nothing is heard of it; null: data comes.
    :param merged_into: the id of the incident that it turned out to be a part of.
    :param labels: what filters of alerts look at.
    """

    id: str
    state: State
    severity: Severity
    subject: str
    symptom: str
    summary: str
    since_s: int = msgspec.field(name="since")
    ended_s: int | None = msgspec.field(name="ended")
    updated_s: int = msgspec.field(name="updated")
    share: float
    expected: float
    bad: int
    total: int
    where: dict[str, str]
    edges: int
    acknowledged: Acknowledged | None
    silenced_by: str
    no_data_since_s: int | None = msgspec.field(name="no_data_since")
    merged_into: str
    labels: dict[str, str]


class IncidentsAnswer(Answer, frozen=True):
    """A list.

    :param watched: whether incidents are kept here at all.
    :param changeable: whether they can be acknowledged and silenced here.
    :param incidents: open ones first, the worst of them first; then by when they began, the latest first.
    :param of: that match; ``open``: of these so many are open.
    """

    watched: bool
    changeable: bool
    incidents: list[IncidentRow]
    of: int
    open: int


class IncidentCause(Answer, frozen=True):
    """Values that separate the bad from the healthy; as in ``where``."""

    where: dict[str, str]
    explains: float
    score: float
    bad: int
    total: int
    rate_inside: float
    rate_outside: float
    also_known_as: list[dict[str, str]]


class Entry(Answer, frozen=True):
    """A line of the timeline.

    :param what: ``open``, ``update``, ``resolve`` or ``acknowledge``.
    :param who: did it; empty: the detector.
    :param silenced_by: the silence for which nobody was told.
    """

    at_s: int = msgspec.field(name="at")
    what: str
    text: str
    who: str
    silenced_by: str


class IncidentAnswer(Answer, frozen=True):
    """One incident.

    :param text: the message, as targets were last told it.
    :param causes: best first; ``not``: attributes in which nothing differs.
    :param just_before: what began just before, in words.
    :param edges: the first that are hit, as other questions take them: ``shop/web>shop/checkout:8080``.
    :param timeline: what happened, the oldest first; ``left_out`` lines of its middle were let go.
    """

    incident: IncidentRow
    text: str
    symptoms: list[str]
    causes: list[IncidentCause]
    no_difference: list[str] = msgspec.field(name="not")
    just_before: list[str]
    edges: list[str]
    timeline: list[Entry]
    left_out: int


class SilenceRow(Answer, frozen=True):
    """A silence.

    :param where: the filter of alerts that says what is silenced.
    :param every_s: it comes again after so many seconds; 0: never. ``ends``: after which it does not; null: never.
    :param active: whether it holds now.
    """

    id: str
    where: str
    from_s: int = msgspec.field(name="from")
    until_s: int = msgspec.field(name="until")
    every_s: int
    ends_s: int | None = msgspec.field(name="ends")
    reason: str
    who: str
    at_s: int = msgspec.field(name="at")
    active: bool


class SilencesAnswer(Answer, frozen=True):
    """Those that hold now or will."""

    silences: list[SilenceRow]


class EventRow(Answer, frozen=True):
    """Something that happened to an edge and is no alarm.

    :param what: ``new``, ``vanished``, ``returned``, ``more`` or ``less``.
    :param edge: as other questions take it.
    """

    at_s: int = msgspec.field(name="at")
    what: str
    edge: str
    client: str
    server: str
    text: str


class EventsAnswer(Answer, frozen=True):
    """The newest, in order of time.

    :param of: that match.
    """

    events: list[EventRow]
    of: int


class EventsParameters(msgspec.Struct, frozen=True, rename={"from_time": "from"}):
    """Which events.

    :param q: a filter: workload:checkout client.ns:shop symptom:vanished
    :param from_time: a time; from then on
    :param to: a time; before it
    :param limit: events at most, the newest
    """

    q: Annotated[str, Meta(max_length=1000)] = ""
    from_time: Annotated[str, Meta(max_length=64)] = ""
    to: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=0, le=10_000)] = 200


class IncidentsParameters(msgspec.Struct, frozen=True, rename={"from_time": "from"}):
    """Which incidents.

    :param state: open, resolved; both by default
    :param severity: info, warning, error, critical; all by default
    :param q: a filter of alerts: ns:shop severity>=error server.version:v2
    :param from_time: a time; those that were still open then, or began later
    :param to: a time; those that had begun by then
    :param limit: incidents at most
    """

    state: list[State] = []
    severity: list[Severity] = []
    q: Annotated[str, Meta(max_length=1000)] = ""
    from_time: Annotated[str, Meta(max_length=64)] = ""
    to: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=0, le=10_000)] = 100


class AcknowledgeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an acknowledgement.

    :param who: looks at it; what a reverse proxy says goes before.
    """

    who: Annotated[str, Meta(max_length=100)] = ""


class AskedSilence(SilenceWords, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=KEYS):
    """The body of a silence.

    :param who: wants it; what a reverse proxy says goes before.
    """

    who: Annotated[str, Meta(max_length=100)] = ""


class IncidentSource(Protocol):
    """Where incidents are; asked in the event loop. All raise TailraceError if they cannot be asked for now."""

    @property
    def changeable(self) -> bool:
        """Whether they can be acknowledged and silenced here."""

    async def rows(self) -> list[IncidentRow]:
        """Open ones first, the worst of them first; then by when they began, the latest first."""

    async def one(self, key: str) -> IncidentAnswer | None:
        """One with its history."""

    async def events(self) -> list[EventRow]:
        """What happened to edges and is no alarm, the oldest first."""

    async def acknowledge(self, key: str, who: str) -> None:
        """Somebody looks at it; on disk when this returns.

        :raises UsageError: if there is no such incident.
        """

    async def silences(self) -> list[SilenceRow]:
        """Those that hold now or will."""

    async def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """One more; on disk when this returns.

        :raises UsageError: if its words mean nothing.
        """

    async def lift(self, id: str) -> None:
        """End a silence; on disk when this returns.

        :raises UsageError: if there is none of this id.
        """


def envelope(data: Any) -> dict[str, Any]:
    """As all answers come; incidents are of no window of the store."""
    return {"v": 1, "window": None, "against": None, "ledger": {"gaps": []}, "data": data}
