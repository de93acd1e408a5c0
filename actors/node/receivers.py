"""What makes rows of its own of a probe's events, as an actor: events in, rows of each second out."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from actors.items import Events
from model.actor import Actor
from model.batch import Batch
from model.kinds.delta import DELTA
from model.ledger import Ledger, Stage
from model.probe import Receiver

#: How the stage of a receiver begins; its name follows.
STAGE: Final = "receiver."
#: The reason of events that were lost in a receiver.
FAILED: Final = "receiver_failed"

log = logging.getLogger(__name__)


class Receivers(Actor):
    """Gives events to whom they are for, and asks for rows when a second ends.

    A receiver that raises loses the events of that call, counted; the others and the node go on.

    :param receivers: made by the probes of other packages.
    :param own: those of Tailrace's probes: the ledger has them once something came.
    """

    def __init__(self, receivers: Sequence[Receiver], ledger: Ledger, own: Sequence[Receiver] = ()) -> None:
        self._ledger = ledger
        self._receivers = {receiver.name: receiver for receiver in (*own, *receivers)}
        self._stages = {receiver.name: self._stage(receiver.name) for receiver in receivers}

    def _stage(self, name: str) -> Stage:
        return self._ledger.stage(f"{STAGE}{name}", "events")

    def handle(self, item: Any) -> Iterator[Any]:
        """Rows before the deltas of their second; what is for others is passed on."""
        match item:
            case Events() if item.receiver in self._receivers:
                if item.receiver not in self._stages:
                    self._stages[item.receiver] = self._stage(item.receiver)
                stage = self._stages[item.receiver]
                self._take(self._receivers[item.receiver], stage, item)
            case Batch() if item.kind is DELTA:
                for name, stage in self._stages.items():
                    yield from self._rows(self._receivers[name], stage, item)
                yield self._with_stages(item)
            case _:
                yield item

    def _with_stages(self, delta: Batch) -> Batch:
        if not self._stages:
            return delta
        stages = {f"{STAGE}{name}": stage.as_dict() for name, stage in self._stages.items()}
        return replace(delta, head={**delta.head, "ledger": {**delta.head["ledger"], **stages}})

    def _take(self, receiver: Receiver, stage: Stage, item: Events) -> None:
        stage.received += len(item)
        try:
            receiver.take(item.rows, item.offset_ns)
        except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises
            self._failed(receiver, stage, error)
            stage.drop(FAILED, len(item))
        else:
            stage.delivered += len(item)

    def _rows(self, receiver: Receiver, stage: Stage, delta: Batch) -> Iterator[Batch]:
        kind = receiver.kind
        try:
            made = receiver.rows()
            count = len(next(iter(made.values()))) if made else 0
            columns = {name: column.astype(kind.types[name], copy=False) for name, column in made.items()}
        except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises
            self._failed(receiver, stage, error)
            return
        if count:
            yield Batch(kind, delta.node, delta.boot, 0, delta.window, kind.empty(count) | columns)

    def _failed(self, receiver: Receiver, stage: Stage, error: Exception) -> None:
        """Logged the first time; after that only counted."""
        if not stage.noted["failures"]:
            log.error(
                "receiver %s failed (%s: %s)", receiver.name, type(error).__name__, error, exc_info=True
            )
        stage.note("failures")
