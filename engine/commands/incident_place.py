"""Where incidents are kept for a command: by engines that share a bus, or by a `tailrace run` of this machine."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.commands.nats_url import nats_url
from engine.config import Config
from model.errors import TailraceError, UsageError

if TYPE_CHECKING:
    from engine.nats.incident_requests import Change, IncidentRequests

_T = TypeVar("_T")


def add_bus(parser: argparse.ArgumentParser) -> None:
    """``--nats URL``."""
    parser.add_argument(
        "--nats",
        metavar="URL",
        help="the NATS server of the engines that keep incidents (default: the configured bus.url if it is nats://)",
    )


def bus_of(config: Config, options: argparse.Namespace) -> str:
    """The bus of engines that keep incidents; empty: there is none.

    :raises UsageError: as ``nats_url`` does.
    """
    wanted = options.nats is not None or config.bus.url.startswith("nats://")
    return nats_url(config, options) if wanted else ""


def kept_by_run(config: Config) -> bool:
    """Whether a ``tailrace run`` of this machine keeps incidents now, or an engine does."""
    from alerts.journal import JOURNAL, is_written

    return is_written(Path(config.trouble.path) / JOURNAL)


def changed_on_bus(config: Config, options: argparse.Namespace, change: "Change") -> tuple[bool, Any]:
    """Whether engines did it, and what they answer; else whoever serves the page is to be asked.

    :raises TailraceError: if they refuse, or none keeps incidents.
    """
    if options.server:
        return False, None
    return _asked(config, options, lambda requests: requests.change(change))


def kept_values(config: Config, options: argparse.Namespace, prefixes: Sequence[str]) -> dict[str, Any]:
    """What the journal has, at least under these prefixes of keys.

    :raises UsageError: if nothing is kept on this machine, or this user may not read it.
    :raises TailraceError: if engines are to be asked, and none keeps incidents.
    """
    there, values = _asked(config, options, lambda requests: requests.kept(prefixes))
    return values if there and values is not None else _read(Path(config.trouble.path))


def silences_on_bus(config: Config, options: argparse.Namespace) -> tuple[bool, list[dict[str, Any]]]:
    """Whether engines keep incidents, and their silences as rows; raises as ``changed_on_bus`` does."""
    from engine.kept_incidents import ClusterIncidents

    if options.server:
        return False, []
    there, rows = _asked(config, options, lambda requests: ClusterIncidents(requests).silences())
    return there, msgspec.to_builtins(rows or [])


def _asked(
    config: Config, options: argparse.Namespace, act: "Callable[[IncidentRequests], Awaitable[_T]]"
) -> tuple[bool, _T | None]:
    """Of a configuration with a bus that engines do not keep incidents on, a ``run`` may."""
    url = bus_of(config, options)
    if not url:
        return False, None
    from engine.nats.incident_requests import IncidentRequests

    async def answered() -> _T:
        requests = IncidentRequests(url)
        async with requests.opened():
            return await act(requests)

    try:
        return True, asyncio.run(answered())
    except UsageError:
        raise
    except TailraceError:
        if options.nats is None and kept_by_run(config):
            return False, None
        raise


def _read(folder: Path) -> dict[str, Any]:
    """:raises UsageError: if there is none, or this user may not read it."""
    from alerts.journal import JOURNAL, read

    path = folder / JOURNAL
    try:
        return read(path)
    except FileNotFoundError:
        remedy = "set trouble.enabled: on, and restart Tailrace; trouble.path says where they are"
        raise UsageError(f"no incidents are kept in {folder}", remedy) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "ask as the user of Tailrace") from error
