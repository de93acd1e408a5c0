"""All questions by name: the HTTP API, the commands and the OpenAPI file have those that are listed here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from model.errors import UsageError
from store.queries import answers, listings
from store.queries.attributes import attributes_answer
from store.queries.endpoints import endpoints_answer
from store.queries.folded import FoldedStore
from store.queries.instances import instances_answer
from store.queries.map import map_of
from store.queries.moments import moments_answer
from store.queries.nat import nat_answer
from store.queries.parameters import PURPOSES, Group, Times, is_list
from store.queries.quality import quality_answer
from store.queries.scope import Scope
from store.queries.search import search_answer
from store.queries.series import series_answer
from store.queries.tables import diff_answer, edges_answer
from store.queries.when import COARSEST_S, resolved
from store.queries.where import where_answer
from store.reading import Store

#: The version of the form of answers.
VERSION: Final = 1


@dataclass(frozen=True)
class Question:
    """One question.

    :param name: in the path of the API, and of the command.
    :param purpose: one line for help.
    :param parameters: what can be said; ``answer``: what ``data`` is.
    :param answered: from what it looks at and what was asked.
    :param rows: of the answer, where it is a table: the field that holds them.
    """

    name: str
    purpose: str
    parameters: type[Times]
    answer: type[answers.Answer]
    answered: Callable[[Scope, Any], answers.Answer]
    rows: str


@dataclass(frozen=True)
class Answered:
    """An answer with what it is of.

    :param against: the window that it is compared with, if any.
    :param settled: it will be the same whenever it is asked for.
    """

    period: answers.Period
    against: answers.Period | None
    gaps: Sequence[answers.GapOf]
    data: Any
    settled: bool

    def whole(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "v": VERSION,
            "window": self.period,
            "against": self.against,
            "ledger": answers.Ledger(list(self.gaps)),
            "data": self.data,
        }


_ANSWERED: Final[Mapping[str, tuple[type[answers.Answer], Callable[[Scope, Any], answers.Answer], str]]] = {
    "map": (answers.MapAnswer, map_of, "edges"),
    "search": (listings.SearchAnswer, search_answer, "found"),
    "edges": (answers.EdgesAnswer, edges_answer, "rows"),
    "endpoints": (listings.EndpointsAnswer, endpoints_answer, "endpoints"),
    "series": (answers.SeriesAnswer, series_answer, "columns"),
    "diff": (answers.DiffAnswer, diff_answer, "rows"),
    "where": (answers.WhereAnswer, where_answer, "by"),
    "quality": (listings.QualityAnswer, quality_answer, "findings"),
    "nat": (listings.NatAnswer, nat_answer, "chains"),
    "instances": (listings.InstancesAnswer, instances_answer, "instances"),
    "moments": (listings.MomentsAnswer, moments_answer, "moments"),
    "attributes": (listings.AttributesAnswer, attributes_answer, "values"),
}
QUESTIONS: Final = {
    name: Question(name, purpose, asked, *_ANSWERED[name]) for name, (purpose, asked) in PURPOSES.items()
}


#: Questions whose answers speak of what is known by now, whatever the window.
_OF_NOW: Final = frozenset({"search", "moments", "instances", "attributes"})


def ask(store: Store, question: Question, asked: Any, now: float) -> Answered:
    """The answer to a question.

    :param asked: its parameters.
    :param now: seconds since the epoch.
    :raises UsageError: if a parameter means nothing.
    :raises NotFoundError: if something is named that the store does not know.
    """
    if question.name == "diff" and not asked.against:
        asked = msgspec.structs.replace(asked, against=f"-{_length(store, asked, now)}s")
    if question.name == "quality" and not asked.against:
        asked = msgspec.structs.replace(asked, against=_habit(store, asked, now))
    when = resolved(asked, store, now)
    folded = FoldedStore(store) if getattr(asked, "proxies", "shown") == "folded" else None
    scope = Scope(folded or store, when, *_told(question, asked), folded=folded)
    data = question.answered(scope, asked)
    gaps = [
        answers.GapOf(gap.node, gap.from_s, gap.to_s, gap.reason, gap.lost, gap.detail) for gap in scope.gaps
    ]
    return Answered(scope.period, scope.period_before, gaps, data, _is_settled(question, scope, data))


def _is_settled(question: Question, scope: Scope, data: Any) -> bool:
    """Whether the answer is the same whenever it is asked for. Instances that were silent may yet be seen again, and
    then were there in this window too; steps shorter than a minute become longer ones."""
    fine = question.name == "series" and data.step_s % COARSEST_S
    return scope.when.settled and question.name not in _OF_NOW and not scope.has_read_instances and not fine


def parameters_of(question: Question, said: Mapping[str, Sequence[str]]) -> Any:
    """From words: each parameter once, but lists, which may also have commas between their values.

    :raises UsageError: if one is unknown, or its value means nothing.
    """
    return words_as(question.parameters, question.name, said)


_Asked = TypeVar("_Asked", bound=msgspec.Struct)


def words_as(kind: type[_Asked], question: str, said: Mapping[str, Sequence[str]]) -> _Asked:
    """As ``parameters_of``.

    :param kind: of the parameters; ``question``: its name, for errors.
    :raises UsageError: likewise.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, texts in said.items():
        if name not in fields:
            raise UsageError(f"{question} has no parameter {name}", f"there are {', '.join(fields)}")
        if is_list(fields[name].type):
            values[name] = list(_divided(name, texts))
        elif len(texts) > 1:
            raise UsageError(f"{name} is there {len(texts)} times", "say it once")
        else:
            values[name] = texts[0]
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(str(error).replace("`$.", "`"), f"see the parameters of {question}") from None


#: Lists whose values may hold commas themselves.
_WHOLE: Final = frozenset({"select", "edge"})


def _divided(name: str, texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield from (part for part in ([text] if name in _WHOLE else text.split(",")) if part)


def _told(question: Question, asked: Any) -> tuple[Group, str]:
    """What a node is, and the filter of edges; words of a search are its own."""
    words = "" if question.name == "search" else getattr(asked, "q", "")
    return getattr(asked, "group", "workload"), words


#: Seconds before a window that say what is usual in it.
_HABIT_S: Final = 3600


def _habit(store: Store, asked: Any, now: float) -> str:
    """The hour before, as far as it is kept; empty: nothing is."""
    begin, oldest = resolved(asked, store, now).window.from_s, store.bounds().oldest_s
    from_s = max(begin - _HABIT_S, oldest)
    return f"{from_s}/{begin}" if oldest and from_s < begin else ""


def _length(store: Store, asked: Any, now: float) -> int:
    return resolved(asked, store, now).window.seconds
