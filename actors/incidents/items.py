"""What comes in: troubles and silences; what is kept and goes out: incidents and their changes."""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import msgspec

from model.alert import Event, Severity, labels_of
from model.alert_filter import alert_filter

State = Literal["pending", "open", "resolved"]
#: Edges of an incident that are known by name; others are counted.
MOST_EDGES: Final = 1000


@dataclass(frozen=True)
class Trouble:
    """One symptom of an edge or of a node of the graph that is bad now.

    :param key: of what was judged: the same as long as it lasts.
    :param subject: whom it hits, such as ``shop/checkout``.
    :param symptom: what is bad, such as ``connect_refused``.
    :param since: Unix seconds.
    :param share: bad of total, 0..1; ``expected`` the same when all is well.
    :param edges: whose traffic is bad, by key.
    :param where: value by attribute of what explains it; empty: nothing does yet.
    :param reason: why it failed, where that is known of most: ``refused``.
    :param rule: of the user, that it breaks; empty: the detector found it.
    :param says: what the message says behind the share, in place of the symptom's words; empty: those.
    :param dropped: why kernels dropped packets of it: ``by netfilter in namespace …``; empty: they did not.
    :param answered: how requests that failed were answered: ``503 (97 %), none (3 %)``; empty: none did.
    :param everywhere: it is explained by everything: most of the traffic has this symptom.
    """

    key: str
    subject: str
    symptom: str
    since: float
    share: float
    expected: float
    bad: float
    total: float
    edges: frozenset[str] = frozenset()
    where: dict[str, str] = field(default_factory=dict)
    severity: Severity = "error"
    reason: str = ""
    rule: str = ""
    says: str = ""
    dropped: str = ""
    answered: str = ""
    everywhere: bool = False


class EdgeEvent(msgspec.Struct, frozen=True):
    """Something that happened to an edge and is no alarm.

    :param at: Unix seconds.
    :param what: ``new``, ``vanished`` (silent), ``returned``, ``more`` or ``less`` (far off its habit).
    :param client: such as ``shop/web``; ``server`` likewise.
    """

    at: float
    what: str
    client: str
    server: str
    port: int

    @property
    def edge(self) -> str:
        """``shop/web>shop/checkout:8080``."""
        return f"{self.client}>{self.server}:{self.port}"


@dataclass(frozen=True)
class Tick:
    """What one look at everything found.

    :param at: Unix seconds: the only clock there is.
    :param troubles: all that are bad now.
    :param blind: whether data is missing, so that what is not among them need not be well.
    :param unknown: keys of troubles of which nothing was heard.
    """

    at: float
    troubles: tuple[Trouble, ...] = ()
    blind: bool = False
    unknown: frozenset[str] = frozenset()


class Incident(msgspec.Struct):
    """One cause of trouble.

    :ivar key: never changes, and contains nothing that may.
    :ivar since: Unix seconds at which the trouble began; ``at`` of the last change, ``seen`` of the last trouble.
    :ivar healthy_s: seconds with data and without trouble.
    :ivar returned: Unix seconds since when it is bad again after it was resolved; 0: it is not.
    :ivar reopenings: Unix seconds of those of the last hour.
    :ivar blind_since: Unix seconds since when there is no data; 0: there is.
    :ivar edges: the first ``MOST_EDGES`` whose traffic was bad; ``edge_count`` of all that are known.
    :ivar worst: the symptom that the shares and counts are of, which may be another one than the first.
    :ivar reason: why most of these failed; empty: for several reasons, or it is not known.
    :ivar rules: of the user, that it broke; ``says`` what stands behind the share, if the worst trouble is of one.
    :ivar dropped: why kernels dropped packets of it, as of its troubles; ``answered`` likewise.
    :ivar everywhere: whether most of the traffic had its symptom, and nothing separated that.
    :ivar told: whether somebody was told that it is open.
    :ivar muted_by: the silence that keeps it quiet.
    :ivar merged_into: the key of the incident that it turned out to be a part of.
    """

    key: str
    subject: str
    symptom: str
    severity: Severity
    since: float
    state: State = "pending"
    revision: int = 0
    at: float = 0.0
    seen: float = 0.0
    ended: float = 0.0
    healthy_s: float = 0.0
    returned: float = 0.0
    reopenings: list[float] = []
    blind_since: float = 0.0
    blind_told: bool = False
    share: float = 0.0
    expected: float = 0.0
    bad: float = 0.0
    total: float = 0.0
    where: dict[str, str] = {}
    worst: str = ""
    reason: str = ""
    symptoms: list[str] = []
    troubles: list[str] = []
    edges: list[str] = []
    edge_count: int = 0
    rules: list[str] = []
    says: str = ""
    dropped: str = ""
    answered: str = ""
    told: bool = False
    muted_by: str = ""
    acknowledged_by: str = ""
    acknowledged_at: float = 0.0
    merged_into: str = ""
    everywhere: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """What filters look at."""
        return labels_of(self.subject, self.symptom, self.severity, self.where, self.rules)


class Change(NamedTuple):
    """An incident as it was right after something happened to it.

    :param silent: whether nobody is to be told.
    """

    event: Event
    incident: Incident
    silent: bool


class Silence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Incidents that match make no noise for a time: a silence, or a maintenance that was planned.

    :param where: a filter of alerts, of one word at least.
    :param begins: Unix seconds; ``until`` likewise.
    :param every_s: it comes again after so many seconds, such as 86,400; 0: never.
    :param ends: Unix seconds after which it comes no more; 0: never.
    """

    id: str
    where: str
    begins: float
    until: float
    reason: str
    who: str
    at: float
    every_s: float = 0.0
    ends: float = 0.0

    def __post_init__(self) -> None:
        if not self.where.strip():
            raise ValueError("a silence of nothing would silence everything: write subject:* for that")
        alert_filter(self.where)
        if self.until <= self.begins:
            raise ValueError("a silence ends after it begins")
        if self.every_s and self.every_s < self.until - self.begins:
            raise ValueError("a silence that comes again ends before it does")

    def holds(self, incident: Incident, at: float) -> bool:
        """Whether it keeps this one quiet at this time."""
        return self.active(at) and alert_filter(self.where).matches(incident.labels)

    def active(self, at: float) -> bool:
        """Whether it is one of its times."""
        if at < self.begins or (self.ends and at >= self.ends):
            return False
        into = at - self.begins
        return (into % self.every_s if self.every_s else into) < self.until - self.begins

    def over(self, at: float) -> bool:
        """Whether it will never be one again."""
        return at >= (self.ends or float("inf") if self.every_s else self.until)
