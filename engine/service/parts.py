"""What a running role takes over of a new configuration: sinks and names."""

from collections.abc import Callable, Mapping

from engine.config import Config
from engine.graph import Apply, Prepare
from engine.plugins.enrichers import configured_names
from engine.sink_outlet import SinkOutlet
from enrichers.cluster import ClusterIdentity
from sinks.configured import ConfiguredSink

#: Makes the sinks of a configuration and a command line. Raises UsageError.
Choose = Callable[[Config], Mapping[str, ConfiguredSink]]


class ReloadedSinks:
    """``sinks`` and ``stage``: those that changed are closed, and opened anew.

    :param config: with which the sinks were made that are in force.
    """

    def __init__(self, outlet: SinkOutlet, config: Config, choose: Choose) -> None:
        self._outlet = outlet
        self._config = config
        self._choose = choose

    def __call__(self, config: Config) -> Apply:
        """Make the sinks, and those in force once more, in case that one cannot be opened."""
        sinks, former = self._choose(config), self._choose(self._config)
        self._outlet.require_made(sinks)

        async def apply() -> None:
            await self._outlet.replace(sinks, former)
            self._config = config

        return apply


def reloaded_names(cluster: ClusterIdentity) -> Prepare:
    """``names``: they hold for connections that are looked up from then on."""

    def prepare(config: Config) -> Apply:
        names = configured_names(config)

        async def apply() -> None:
            cluster.replace(names)

        return apply

    return prepare
