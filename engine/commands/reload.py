"""SIGHUP of commands that run on as a service."""

import argparse
import asyncio
import os
import signal

from engine.config import Config, load_config
from engine.role import Role
from engine.service.notify import ServiceManager
from engine.service.reload import OF_TROUBLE, RELOADED, Reload, reloaded_log_level


def reload_on_hangup(role: Role, config: Config, options: argparse.Namespace) -> None:
    """SIGHUP has the file and the environment read again; the command line stays. Call it in the loop of the role."""
    parts = [*role.graph.reloads, reloaded_log_level]
    watches = "incidents" in role.graph.statistics()
    paths = RELOADED if watches else RELOADED - OF_TROUBLE
    reload = Reload(config, lambda: load_config(options.config, os.environ, options.log_level), parts, paths)
    manager = ServiceManager()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: reload.ask(manager))
