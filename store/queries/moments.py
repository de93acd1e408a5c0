"""Marks on the time bar: versions, workloads and instances that came and went, agents, gaps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.kinds.workload import Workload
from store.queries.groups import workload_key
from store.queries.listings import Moment, MomentsAnswer
from store.queries.parameters import MomentsParameters
from store.queries.scope import Scope
from store.reading import Instance

#: Seconds of silence after which something counts as gone: many programs talk once a minute.
GONE_S = 300
#: Seconds from the store's first one in which everything is seen for the first time.
_START_S = 60


class _Life(NamedTuple):
    """When something was there.

    :param id: the smallest id of what it consists of.
    """

    id: int
    key: str
    name: str
    first_s: int
    last_s: int


def moments_answer(scope: Scope, asked: MomentsParameters) -> MomentsAnswer:
    """Those of the window, in order of time; of what is selected, and of nodes."""
    numbers = scope.selected(asked.select) if asked.select else None
    places = (
        np.arange(len(scope.groups.workloads))
        if numbers is None
        else np.flatnonzero(np.isin(scope.groups.numbers, numbers))
    )
    found = [*_of_workloads(scope, places), *_of_instances(scope, places)]
    if numbers is None:
        found += _of_nodes(scope)
    found += _of_gaps(scope)
    found.sort(key=lambda moment: (moment.at_s, moment.id))
    return MomentsAnswer(found[-asked.limit :], len(found))


def _of_workloads(scope: Scope, places: np.ndarray) -> Iterator[Moment]:
    """Workloads that came and went; versions too, where the workload had another one before: a deploy."""
    parts = [scope.groups.workloads.parts[place] for place in places.tolist()]
    wholes = _lives(scope, places, [part._replace(zone="", version="") for part in parts])
    versions = _lives(scope, places, [part._replace(zone="") for part in parts])
    yield from _marks(scope, wholes.values(), "workload", "{key} was first seen", "{key} was last seen")
    later = [
        life
        for part, life in versions.items()
        if part.version and life.first_s > wholes[part._replace(version="")].first_s
    ]
    first, last = "version {name} of {key} was first seen", "version {name} of {key} was last seen"
    yield from _marks(scope, later, "version", first, last)


def _lives(scope: Scope, places: np.ndarray, same: Sequence[Workload]) -> dict[Workload, _Life]:
    """What is the same thing as one: from the first second of any to the last.

    :param same: of each place what it is the same thing as.
    """
    workloads = scope.groups.workloads
    ids, first, last = (
        column[places].tolist() for column in (workloads.ids, workloads.first_s, workloads.last_s)
    )
    found: dict[Workload, _Life] = {}
    for row, part in enumerate(same):
        life = _Life(ids[row], workload_key(part), part.version, first[row], last[row])
        found[part] = _joined(found[part], life) if part in found else life
    return found


def _joined(one: _Life, other: _Life) -> _Life:
    return one._replace(
        id=min(one.id, other.id),
        first_s=min(one.first_s, other.first_s),
        last_s=max(one.last_s, other.last_s),
    )


def _of_instances(scope: Scope, places: np.ndarray) -> Iterator[Moment]:
    """Pods, containers and processes."""
    workloads, instances = scope.groups.workloads, scope.instances
    mine = np.isin(instances.workloads, workloads.ids[places])
    lives = []
    for row in np.flatnonzero(mine).tolist():
        part = instances.parts[row]
        if part == Instance("", "", "", "", "", part.address):
            continue  # one of the addresses of a name: they come and go as DNS likes
        owner = workloads.parts[int(workloads.rows(instances.workloads[row : row + 1])[0])]
        lives.append(
            _Life(
                row,
                workload_key(owner),
                _instance_name(part),
                int(instances.first_s[row]),
                int(instances.last_s[row]),
            )
        )
    yield from _marks(
        scope, lives, "instance", "{name} of {key} was first seen", "{name} of {key} was last seen"
    )


def _instance_name(part: Instance) -> str:
    name = part.pod or part.container or part.process or part.address
    return f"{name} on {part.node}" if part.node else name


def _of_nodes(scope: Scope) -> Iterator[Moment]:
    """Machines whose processes were first and last seen: where agents came and went."""
    lives: dict[str, _Life] = {}
    for row, part in enumerate(scope.instances.parts):
        if part.node:
            life = _Life(
                row, "", part.node, int(scope.instances.first_s[row]), int(scope.instances.last_s[row])
            )
            lives[part.node] = _joined(lives[part.node], life) if part.node in lives else life
    yield from _marks(scope, lives.values(), "agent", "{name} began to report", "{name} was last heard of")


def _of_gaps(scope: Scope) -> Iterator[Moment]:
    for number, gap in enumerate(scope.gaps):
        who = gap.node or "the store"
        text = (
            f"{who}: {gap.lost} {gap.detail} lost"
            if gap.reason == "lost"
            else f"{who}: {gap.reason.replace('_', ' ')}"
        )
        yield Moment(
            id=f"g{gap.from_s}.{number}", at_s=gap.from_s, to_s=gap.to_s, what="gap", key="", text=text
        )


def _marks(scope: Scope, lives: Iterable[_Life], what: str, began: str, ended: str) -> Iterator[Moment]:
    """The begin and end of each, where they lie in the window; not what was there when the store began."""
    window, bounds, letter = scope.when.window, scope.store.bounds(), what[0]
    for life in lives:
        words = {"key": life.key, "name": life.name}
        if window.from_s <= life.first_s < window.to_s and life.first_s > bounds.oldest_s + _START_S:
            at = life.first_s
            yield Moment(
                id=f"{letter}{life.id}", at_s=at, to_s=at, what=what, key=life.key, text=began.format(**words)
            )
        if window.from_s <= life.last_s < window.to_s and life.last_s + GONE_S < bounds.complete_s:
            at = life.last_s
            yield Moment(
                id=f"{letter}{life.id}.end",
                at_s=at,
                to_s=at,
                what=f"{what}_gone",
                key=life.key,
                text=ended.format(**words),
            )
