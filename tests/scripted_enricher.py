"""An enricher that answers what a test tells it to."""

from collections.abc import Mapping
from typing import ClassVar

from model.enricher import EnricherStatistics, Entity, KeyKind
from model.settings import PluginConfig


class ScriptedEnricher:
    """Counts its starts and ends.

    :param answers: by kind and value of the key.
    """

    Config: ClassVar[type[PluginConfig]] = PluginConfig
    version = 0
    live = False

    def __init__(self, name: str, answers: Mapping[tuple[KeyKind, str], Entity]) -> None:
        self.name = name
        self.kinds = frozenset(kind for kind, _ in answers)
        self.nodes: list[str] = []
        self.closed = 0
        self._answers = answers

    async def start(self, node: str) -> None:
        """Keep the node's name."""
        self.nodes.append(node)

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """What the test said."""
        return self._answers.get((kind, value))

    def statistics(self) -> EnricherStatistics:
        """Nothing."""
        return EnricherStatistics(len(self._answers), 0, 0, 0, 0, 0.0)
