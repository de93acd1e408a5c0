"""The probes of this program: its own, and those of others that are installed or named in the configuration."""

from collections.abc import Mapping
from typing import Protocol

from probes.registry import PROBES
from probes.selection import ProbeConfig, Selection


class ConfigOfProbes(ProbeConfig, Protocol):
    """The configuration, as far as it speaks of probes."""

    @property
    def probes(self) -> Mapping[str, str]:
        """Of others: by the name under which they are installed, or ``module:NAME``."""


def select(config: ConfigOfProbes) -> Selection:
    """All probes, with what the configuration says of them.

    :raises UsageError: if one cannot be had, or two do not go together.
    """
    return Selection(config, PROBES)
