"""The tabs of ``tailrace top``."""

from dataclasses import dataclass
from typing import Final

from model.kind import Kind
from model.kinds.drop import DROP
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import FLOW
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.workload import WORKLOAD


@dataclass(frozen=True)
class Page:
    """A tab.

    :param failures: whether it shows the failures of the last minutes instead of the newest second.
    """

    title: str
    kind: Kind
    failures: bool = False


PAGES: Final = (
    Page("1 Workloads", WORKLOAD),
    Page("2 Connections", FLOW),
    Page("3 Failures", FLOW, failures=True),
    Page("4 Endpoints", ENDPOINT),
    Page("5 DNS", QUERY),
    Page("6 Drops", DROP),
    Page("7 Listeners", LISTENER),
)
KINDS: Final = (FLOW, WORKLOAD, ENDPOINT, QUERY, DROP, LISTENER)
