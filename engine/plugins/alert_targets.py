"""Targets of alerts by name, made from their settings."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from alerts.config import AlertsConfig
from engine.plugins.registry import ALERT_TARGET, load, made, plugin_named
from engine.plugins.settings import checked
from model.alert_target import AlertTarget
from model.errors import UsageError


def make_targets(config: AlertsConfig) -> dict[str, AlertTarget]:
    """All targets of the configuration, by name, not open yet.

    :raises UsageError: as ``make_target`` does.
    """
    return {target.name: make_target(config, target.name) for target in config.targets}


@asynccontextmanager
async def opened(targets: Mapping[str, AlertTarget]) -> AsyncIterator[None]:
    """All are open in the block, and closed after it.

    :raises UsageError: if a file of one cannot be read; none is open then.
    """
    async with AsyncExitStack() as stack:
        for target in targets.values():
            stack.push_async_callback(target.close)
            await target.open()
        yield


def make_target(config: AlertsConfig, name: str) -> AlertTarget:
    """The target of this name in the configuration.

    :raises UsageError: if there is none, it cannot be loaded, or a setting is unknown or of the wrong type.
    """
    for place, wanted in enumerate(config.targets):
        if wanted.name == name:
            plugin = plugin_named(ALERT_TARGET, wanted.kind or wanted.name)
            factory = load(plugin)
            path = f"$.alerts.targets[{place}].settings"
            target: AlertTarget = made(
                plugin, factory, checked(plugin.title, factory.Config, wanted.settings, path)
            )
            return target
    names = ", ".join(target.name for target in config.targets)
    remedy = f"configured: {names}" if names else "configure it under alerts.targets, see docs/alerts.md"
    raise UsageError(f"no target of alerts is called {name!r}", remedy)
