"""Values of attributes, for completion while somebody types."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from model.kinds.workload import Workload
from store.queries.errors import NotFoundError
from store.queries.filtering import INSTANCE_KEYS
from store.queries.listings import AttributesAnswer, Value
from store.queries.parameters import AttributesParameters
from store.queries.scope import Scope

_OF_WORKLOADS: Final[dict[str, Callable[[Workload], str]]] = {
    "workload": lambda part: part.name,
    "ns": lambda part: part.namespace,
    "zone": lambda part: part.zone,
    "version": lambda part: part.version,
    "kind": lambda part: part.kind,
}
_OF_REQUESTS: Final = ("method", "route", "host", "status")
_PORT: Final = "port"


def attributes_answer(scope: Scope, asked: AttributesParameters) -> AttributesAnswer:
    """The most frequent values first; without a key, the keys.

    :raises NotFoundError: if there is no such key.
    """
    if not asked.key:
        keys = [*_OF_WORKLOADS, *INSTANCE_KEYS, _PORT, *_OF_REQUESTS]
        counts = Counter({key: len({value for value, _ in _values(scope, key) if value}) for key in keys})
    else:
        counts = Counter(value for value, _ in dict.fromkeys(_values(scope, asked.key)))
    found = [value for value in counts.items() if value[0] and value[0].startswith(asked.prefix)]
    found.sort(key=lambda value: (-value[1], value[0]))
    return AttributesAnswer(asked.key, [Value(*value) for value in found[: asked.limit]], len(found))


def _values(scope: Scope, key: str) -> Iterator[tuple[str, int]]:
    """Values with the workload that has them, by its place."""
    workloads = scope.groups.workloads
    if of := _OF_WORKLOADS.get(key):
        yield from ((of(part), place) for place, part in enumerate(workloads.parts))
    elif fields := INSTANCE_KEYS.get(key):
        places = workloads.rows(scope.instances.workloads).tolist()
        for place, part in zip(places, scope.instances.parts, strict=True):
            yield from ((getattr(part, field), place) for field in fields)
    elif key == _PORT:
        servers = workloads.rows(scope.now.servers).tolist()
        yield from zip(map(str, scope.now.ports.tolist()), servers, strict=True)
    elif key in _OF_REQUESTS:
        asked = scope.all_endpoints
        yield from zip(
            map(str, asked.parts[key].tolist()), workloads.rows(asked.servers).tolist(), strict=True
        )
    else:
        known = ", ".join([*_OF_WORKLOADS, *INSTANCE_KEYS, _PORT, *_OF_REQUESTS])
        raise NotFoundError(f"there is no attribute {key}", f"there are {known}")
