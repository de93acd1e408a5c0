"""The map as it is now, once a second: server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from model.errors import TailraceError
from store.queries.answers import Edge, MapAnswer, Node
from store.queries.questions import QUESTIONS, Answered
from web.answering import Answering, as_text
from web.refusal import RefusedError, refusal_of
from web.workers import Workers

#: Seconds between looks at whether a second is complete.
_LOOK_S: Final = 0.25
#: Seconds after which a stream without news says that it lives: proxies end silent connections.
_ALIVE_S: Final = 10.0
#: What says when: a stream is of the present.
_TIMES: Final = frozenset({"from", "to", "at"})
#: A comment of the protocol.
ALIVE: Final = ": alive\n\n"


@dataclass
class _Shown:
    """What the reader has."""

    nodes: dict[int, Node] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)


def asked_of(said: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[str]], bool]:
    """The words of the map, and whether the reader wants only what is other than before.

    :raises RefusedError: if a word is of another time.
    """
    words = {name: list(texts) for name, texts in said.items()}
    deltas = words.pop("deltas", ["0"])[-1] not in ("", "0", "false")
    if past := _TIMES & words.keys():
        what = f"a stream is of the present and takes no {' and '.join(sorted(past))}"
        raise RefusedError(400, "bad_request", what, "ask /api/v1/map for the past")
    return words, deltas


async def events(
    answering: Answering, workers: Workers, words: dict[str, list[str]], *, deltas: bool
) -> AsyncGenerator[str]:
    """Events without end: one for each second that is complete.

    :raises RefusedError: if the first answer is refused; a later one is an event.
    """
    shown, second = _Shown(), -1
    answered = await workers.run(lambda: answering.answered(QUESTIONS["map"], words))
    silent = 0.0
    while True:
        newest = answered.period.to_s
        if newest != second:
            second, silent = newest, 0.0
            yield _event(answered, shown, deltas=deltas)
            words["keep"] = [str(node) for node in shown.nodes]
        await asyncio.sleep(_LOOK_S)
        silent += _LOOK_S
        if silent >= _ALIVE_S:
            silent = 0.0
            yield ALIVE
        try:
            if (await workers.run(answering.store.bounds)).complete_s == second:
                continue
            answered = await workers.run(lambda: answering.answered(QUESTIONS["map"], words))
        except RefusedError as refused:
            yield _refused(refused)
        except TailraceError as error:
            yield _refused(refusal_of(error))


def _refused(refused: RefusedError) -> str:
    return f"event: error\ndata: {as_text(refused.body())}\n\n"


def _event(answered: Answered, shown: _Shown, *, deltas: bool) -> str:
    """The whole map, or after the first one what is other in it."""
    data: MapAnswer = answered.data
    nodes, edges = {node.id: node for node in data.nodes}, {edge.id: edge for edge in data.edges}
    first = not shown.nodes and not shown.edges
    whole: dict[str, Any] = answered.whole()
    if deltas and not first:
        whole["data"] = {
            "nodes": [node for node in nodes.values() if shown.nodes.get(node.id) != node],
            "edges": [edge for edge in edges.values() if shown.edges.get(edge.id) != edge],
            "gone": {
                "nodes": [node for node in shown.nodes if node not in nodes],
                "edges": [edge for edge in shown.edges if edge not in edges],
            },
            "selection": data.selection,
            "shown": data.shown,
            "left_out": data.left_out,
            "of": data.of,
            "truncated_by": data.truncated_by,
        }
    shown.nodes, shown.edges = nodes, edges
    name = "delta" if deltas and not first else "map"
    return f"event: {name}\nid: {answered.period.to_s}\ndata: {as_text(whole)}\n\n"
