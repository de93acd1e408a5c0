"""``tailrace plugins``: what there is, from which package, and which settings it has."""

import argparse
import shutil
from typing import Any

import msgspec

from engine.config import Config
from model.errors import UsageError


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "plugins", parents=[common], help="sinks, enrichers, probes and kinds of rows, and their settings"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="all about one (default: a list of all)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(_: Config, options: argparse.Namespace) -> int:
    """0; 1 if a plug-in cannot be used.

    :raises UsageError: if there is none of this name, or it cannot be used.
    """
    from engine.plugins.listing import listed
    from engine.plugins.table import details, overview
    from model.standard_output import show

    plugins = listed(options.name)
    if options.output == "json":
        show(msgspec.json.format(msgspec.json.encode({"plugins": plugins})).decode())
    elif options.name is None:
        show(overview(plugins, _width()))
    elif usable := [plugin for plugin in plugins if not plugin.fault]:
        show("\n".join(details(plugin, _width()) for plugin in usable))
    faults = [plugin.fault for plugin in plugins if plugin.fault]
    if options.name and faults:
        raise UsageError(faults[0])
    return 1 if faults else 0


def _width() -> int:
    return shutil.get_terminal_size().columns
