"""Which NATS a command talks to."""

import argparse

from engine.config import Config
from engine.nats.address import DEFAULT_URL, holds_secret
from model.errors import UsageError


def add_nats_option(parser: argparse.ArgumentParser) -> None:
    """``--nats URL``."""
    parser.add_argument(
        "--nats",
        metavar="URL",
        help=f"the NATS server (default: the configured bus.url if it is nats://, else {DEFAULT_URL})",
    )


def nats_url(config: Config, options: argparse.Namespace) -> str:
    """The URL of the command line, else of the configuration, else of this machine.

    :raises UsageError: if the one of the command line holds a password or a token, or is no URL of NATS.
    """
    given: str | None = options.nats
    if given is None:
        return config.bus.url if config.bus.url.startswith("nats://") else DEFAULT_URL
    if holds_secret(given):
        raise UsageError(
            "no password or token in --nats",
            "it would show in the process list: put it into TAILRACE_BUS_URL or the configuration file",
        )
    return given
