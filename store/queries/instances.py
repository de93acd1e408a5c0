"""Who workloads consist of: pods, containers and processes, with when they were there."""

import numpy as np

from store.queries.listings import InstanceRow, InstancesAnswer
from store.queries.parameters import InstancesParameters
from store.queries.scope import Scope
from store.queries.tables import selected_rows


def instances_answer(scope: Scope, asked: InstancesParameters) -> InstancesAnswer:
    """Instances of what is selected, or of both ends of edges; the one that came last first.

    :raises NotFoundError: if something is named that is not known.
    """
    instances, workloads = scope.instances, scope.groups.workloads
    places = workloads.rows(instances.workloads)
    groups = scope.groups.numbers[places]
    mine = np.flatnonzero(np.isin(groups, _meant(scope, asked)))
    order = mine[np.lexsort((mine, -instances.last_s[mine], -instances.first_s[mine]))]
    last_s = scope.when.window.to_s - 1
    found = []
    for row in order[: asked.limit].tolist():
        workload, part = workloads.parts[int(places[row])], instances.parts[row]
        found.append(
            InstanceRow(
                key=scope.groups.names[int(groups[row])].key,
                **part._asdict(),
                version=workload.version,
                zone=workload.zone,
                first_s=int(instances.first_s[row]),
                last_s=min(last_s, int(instances.last_s[row])),
            )
        )
    return InstancesAnswer(found, len(order))


def _meant(scope: Scope, asked: InstancesParameters) -> np.ndarray:
    """Numbers of groups: those that are selected, or at the ends of edges that are named or match."""
    if asked.select and not asked.edge and not asked.q:
        return np.array(scope.selected(asked.select), np.int64)
    if not (asked.select or asked.edge or asked.q):
        return np.arange(len(scope.groups))
    pairs, rows = scope.pairs, selected_rows(scope, asked.select, asked.edge)
    ends = np.unique(np.concatenate((pairs.clients[rows], pairs.servers[rows])))
    return np.intersect1d(ends, scope.selected(asked.select)) if asked.select else ends
