"""What ``run`` keeps on this machine: the store, for those that read it, and incidents."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from engine.config import Config, KeptConfig, SinkConfig
from model.errors import TailraceError, UsageError
from store.config import StoreConfig

if TYPE_CHECKING:
    from sinks.configured import ConfiguredSink
    from store.reading import Store

#: The sink that writes it.
STORE: Final = "store"
_STAGE: Final = "workloads,endpoints,flows"


def keeps_map(config: Config) -> tuple[bool, str]:
    """Whether ``run`` writes the store; with ``auto`` if the folder can be written to and nobody else does.

    Makes the folder: to be called when all else that is asked for can be. A server is asked when the sink is opened:
    if it cannot be written to, the start is refused.

    :return: also why not, empty unless that is to be said.
    """
    if config.store.enabled != "auto" or config.store.url:
        return config.store.enabled != "off", ""
    from store.segments.lock import WriterLock

    folder = Path(config.store.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        WriterLock(folder).release()
    except (OSError, TailraceError) as error:
        return False, str(error)
    return True, ""


def watches_trouble(config: Config) -> tuple[bool, str]:
    """Whether ``run`` looks for trouble; with ``auto`` if nobody else does with the same folder, which it makes.

    :return: also why not, empty unless that is to be said.
    """
    trouble, alerts = config.trouble, config.alerts
    if trouble.enabled != "auto" or alerts.targets or alerts.rules:
        return trouble.enabled != "off", ""
    from alerts.journal import JOURNAL, Journal

    try:
        Journal(Path(trouble.path) / JOURNAL).close()
    except UsageError as error:
        return False, str(error)
    return True, ""


def serves_map(config: Config, *, keeps: bool) -> bool:
    """Whether ``run`` serves the map: with ``auto`` if it keeps it."""
    return keeps if config.web.enabled == "auto" else config.web.enabled == "on"


def store_sink(config: Config, sinks: Mapping[str, "ConfiguredSink"]) -> "dict[str, ConfiguredSink]":
    """The sink that writes the store, unless one of the others does. A filter of the command line is not for it."""
    from engine.plugins.sinks import make_sink

    if any(name.partition("#")[0] == STORE for name in sinks):
        return {}
    settings = {name: getattr(config.store, name) for name in StoreConfig.__struct_fields__}
    return {STORE: make_sink(SinkConfig(STORE, settings=settings, stage=_STAGE), _STAGE, "$.store")}


def server_sink(config: Config, sinks: Mapping[str, "ConfiguredSink"]) -> "dict[str, ConfiguredSink]":
    """The sink that writes the store of all machines, where one is configured: what an engine adds to the others."""
    return store_sink(config, sinks) if config.store.url and config.store.enabled != "off" else {}


def open_store(kept: KeptConfig, place: str = "") -> "Store":
    """A store to read, whoever writes to it.

    :param place: another folder or URL than that which is configured.
    :raises UsageError: if there is none.
    :raises TailraceError: if it cannot be read.
    """
    kept = _at(kept, place)
    from store import opening

    if kept.url:
        return opening.open_server_store(kept)
    if not Path(kept.path).is_dir():
        remedy = "name it with --store, or ask a running Tailrace with --server http://127.0.0.1:8686"
        raise UsageError(f"there is no store at {kept.path}", remedy)
    return opening.open_store(kept.path, kept.query_memory, kept.query_threads)


def _at(kept: KeptConfig, place: str) -> KeptConfig:
    """The configuration with another folder or URL.

    :raises UsageError: if it is a URL of no store.
    """
    if not place:
        return kept
    if "://" not in place:
        return msgspec.structs.replace(kept, path=place, url="")
    try:
        return msgspec.structs.replace(kept, url=place)
    except ValueError as error:
        raise UsageError(
            f"--store names no store ({error})", "its user is store.user in the configuration"
        ) from None


def replaced(config: Config, path: str | None, listen: str | None) -> Config:
    """The configuration with what the command line says.

    :raises UsageError: if ``listen`` is no address, or one that nothing guards; if ``path`` is a URL of no store.
    """
    store = _at(config.store, path or "")
    try:
        web = msgspec.structs.replace(config.web, listen=listen) if listen else config.web
    except ValueError as error:
        what, _, remedy = str(error).partition(": ")
        raise UsageError(what, remedy) from None
    return msgspec.structs.replace(config, store=store, web=web)
