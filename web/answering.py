"""From a request's words to the bytes of an answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model.errors import TailraceError
from store.queries.kept_edges import KeptEdges
from store.queries.questions import QUESTIONS, Answered, Question, ask, parameters_of
from store.reading import Store
from web.forms.csv_text import csv_of
from web.forms.dot import dot_of
from web.forms.svg import svg_of
from web.limits import AnswerCache
from web.refusal import RefusedError, refusal_of

#: Of answers that stay the same.
CACHE_BYTES: Final = 16 << 20
#: Words of a question at most.
_WORDS: Final = 1000


@dataclass(frozen=True)
class Form:
    """How an answer is written.

    :param only: the question that has it; empty: all.
    """

    name: str
    content_type: str
    text: Callable[[Question, Answered], bytes]
    only: str = ""


FORMS: Final = {
    form.name: form
    for form in (
        Form("json", "application/json", lambda _, answered: msgspec.json.encode(answered.whole())),
        Form(
            "csv",
            "text/csv; charset=utf-8",
            lambda question, answered: csv_of(question, answered.data).encode(),
        ),
        Form("svg", "image/svg+xml", lambda _, answered: svg_of(answered.data).encode(), "map"),
        Form(
            "dot",
            "text/vnd.graphviz; charset=utf-8",
            lambda _, answered: dot_of(answered.data).encode(),
            "map",
        ),
    )
}


@dataclass(frozen=True)
class Body:
    """An answer as it is sent."""

    body: bytes
    content_type: str
    settled: bool


class Answering:
    """Answers questions from a store; from any thread."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.store: Store = KeptEdges(store)
        self.clock = clock
        self.cache = AnswerCache(CACHE_BYTES)

    def body(self, question: Question, said: Mapping[str, Sequence[str]], form: Form) -> Body:
        """The bytes of an answer.

        :raises RefusedError: if it cannot be answered, with the reason.
        """
        key = (question.name, form.name, tuple((name, *words) for name, words in said.items()))
        if kept := self.cache.get(key):
            return Body(kept, form.content_type, True)
        answered = self.answered(question, said)
        body = Body(form.text(question, answered), form.content_type, answered.settled)
        if body.settled:
            self.cache.put(key, body.body)
        return body

    def answered(self, question: Question, said: Mapping[str, Sequence[str]]) -> Answered:
        """The answer itself.

        :raises RefusedError: as above.
        """
        try:
            return ask(self.store, question, parameters_of(question, said), self.clock())
        except TailraceError as error:
            raise refusal_of(error) from error


def question_named(name: str) -> Question:
    """:raises RefusedError: if there is none."""
    if name not in QUESTIONS:
        raise RefusedError(
            404, "not_found", f"there is no /api/v1/{name}", f"there are {', '.join(QUESTIONS)}"
        )
    return QUESTIONS[name]


def words_of(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The words of a query, by name.

    :raises RefusedError: if they are too many.
    """
    if len(pairs) > _WORDS:
        raise RefusedError(414, "too_large", f"{len(pairs)} parameters", f"say at most {_WORDS}")
    said: dict[str, list[str]] = {}
    for name, text in pairs:
        said.setdefault(name, []).append(text)
    return said


def form_of(question: Question, said: dict[str, list[str]], accept: str) -> Form:
    """That of the parameter ``format``, which is taken out, else the first that the client accepts.

    :raises RefusedError: if the question has no such form.
    """
    named = said.pop("format", [])
    if named:
        form = FORMS.get(named[-1])
    else:
        types = [part.partition(";")[0].strip() for part in accept.split(",")]
        form = next((each for kind in types for each in FORMS.values() if _is(each, kind, question)), None)
        form = form or FORMS["json"]
    if form is None or form.only not in ("", question.name):
        has = [each.name for each in FORMS.values() if each.only in ("", question.name)]
        raise RefusedError(
            400, "bad_request", f"{question.name} has no form {named[-1]}", f"it has {', '.join(has)}"
        )
    return form


def _is(form: Form, kind: str, question: Question) -> bool:
    return form.content_type.partition(";")[0] == kind and form.only in ("", question.name)


def as_text(value: Any) -> str:
    """JSON without blanks."""
    return msgspec.json.encode(value).decode()
