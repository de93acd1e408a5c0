"""How requests of edges that failed were answered in the last ticks."""

from collections import Counter
from collections.abc import Iterable, Set
from typing import Final, NamedTuple

import numpy as np

from actors.detect.symptoms import grpc_failed
from actors.trouble.by_edge import CountsByEdge
from actors.trouble.leaf_keys import name_of
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.request_text import answer_text

#: Answers that are told, and the part of all that each of them is at least.
_MOST_TOLD: Final = 3
_TOLD: Final = 0.05
_COLUMNS: Final = (
    *("client.workload.index", "server.workload.index", "server.port"),
    *("http.response.status_code", "rpc.grpc.status_code"),
)


class AnswerKey(NamedTuple):
    """Requests that are counted together.

    :param answer: as ``answer_text`` writes it.
    """

    edge: str
    answer: str


class Answers(CountsByEdge[AnswerKey]):
    """A window of the last ticks."""

    def add(self, batches: Iterable[Batch]) -> None:
        """Batches of a second; those of endpoints say what was answered."""
        for batch in batches:
            if batch.kind is ENDPOINT:
                self._add(batch)

    def _add(self, batch: Batch) -> None:
        """What a proxy passed on is in the requests to it, and in those that it made."""
        columns, ends = batch.columns, batch.tables["workloads"]
        failed = np.maximum(columns["requests.failed"], grpc_failed(columns)).astype(np.int64)
        rows = np.flatnonzero((failed > 0) & (columns["via.index"] == 0))
        if not len(rows):
            return
        values = np.stack([columns[name][rows].astype(np.int64) for name in _COLUMNS], axis=1)
        different, same = np.unique(values, axis=0, return_inverse=True)
        sums = np.bincount(same.reshape(-1), failed[rows], len(different)).astype(np.int64)
        most = np.argsort(-sums, kind="stable")[: self._most]
        self.left_out += len(different) - len(most)
        for (client, server, port, status, grpc), count in zip(
            different[most].tolist(), sums[most].tolist(), strict=True
        ):
            names = (name_of((end.kind, end.namespace, end.name)) for end in (ends[client], ends[server]))
            self._now[AnswerKey(f"{' > '.join(names)}:{port}", answer_text(status, grpc))] += count

    def words(self, edges: Set[str], ticks: int) -> str:
        """``503 (97 %), none (3 %)``: how requests of these edges that failed were answered; empty: none did.

        :param ticks: how many of the last.
        """
        answers: Counter[str] = Counter()
        for key, count in self.of(edges, ticks).items():
            answers[key.answer] += count
        shares = [(answer, count / answers.total()) for answer, count in answers.most_common(_MOST_TOLD)]
        return ", ".join(f"{answer} ({_percent(share)})" for answer, share in shares if share >= _TOLD)


def _percent(share: float) -> str:
    return f"{100 if share == 1 else min(round(100 * share), 99)} %"
