"""Windows summed up by instance: pods, containers and machines that explain what ills a workload's edge has."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from actors.items import Window
from actors.workloads.endpoints import Endpoints
from actors.workloads.workloads import Workloads
from model.batch import Batch
from model.enricher import Entity
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import FLOW
from model.kinds.request import REQUEST
from model.kinds.workload import WORKLOAD
from model.kinds.workload.names import WorkloadNames, place_of
from model.ledger import Ledger

#: Rows of one window at most; where there would be more, those of workloads are taken.
MOST_PAIRS: Final = 50_000
MOST_ENDPOINTS: Final = 20_000


class Instance(NamedTuple):
    """A workload's pod, container or machine; the parts that are not known are empty.

    :param name: of the workload, as are those that follow up to ``version``.
    :param node: the machine that it is on.
    """

    name: str
    kind: str
    namespace: str = ""
    zone: str = ""
    version: str = ""
    node: str = ""
    image: str = ""
    instance: str = ""
    region: str = ""


class Instances:
    """Makes rows of workloads and endpoints whose ends are instances out of the flows and requests of windows."""

    def __init__(self, ledger: Ledger, pairs: int = MOST_PAIRS, endpoints: int = MOST_ENDPOINTS) -> None:
        self._stage = ledger.stage("detector", "edges")
        self._own = Ledger()  # its rows are counted by those who make them for sinks
        names = WorkloadNames(Instance, _place)
        self._workloads = Workloads(self._own, pairs, names)
        self._endpoints = Endpoints(self._own, endpoints, names)

    def of(self, window: Window) -> Sequence[Batch]:
        """Rows of the window; those of workloads where it has no flows, or where instances are too many."""
        flows = [batch for batch in window.batches if batch.kind is FLOW]
        if not flows:
            return window.batches
        requests = [batch for batch in window.batches if batch.kind is REQUEST]
        before = self._folded()
        made = [self._workloads.summed(flows), *([self._endpoints.summed(requests)] if requests else ())]
        if self._folded() == before:
            return made
        self._stage.note("windows_without_instances")
        return [batch for batch in window.batches if batch.kind in (WORKLOAD, ENDPOINT)]

    def _folded(self) -> int:
        return sum(stage.noted["rows_folded"] for stage in self._own.stages.values())


def _place(entity: Entity) -> tuple[str, ...]:
    image, tag = entity.get("container.image.name", ""), entity.get("container.image.tags", "")
    return (
        *place_of(entity),
        entity.get("k8s.node.name") or entity.get("host.name", ""),
        f"{image}:{tag}" if image and tag else image,
        entity.get("k8s.pod.name") or entity.get("container.name") or entity.get("container.id", "")[:12],
        entity.get("cloud.region", ""),
    )
