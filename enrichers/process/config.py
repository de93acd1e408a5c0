"""Configuration of what is reported of processes."""

from typing import Annotated

import msgspec

from model.settings import PluginConfig


class ProcessConfig(PluginConfig, frozen=True):
    """What is reported of processes.

    :param redact: whether what looks like a secret is masked in command lines.
    :param entries: processes known at once, also of those that ended; about 1 kB each.
    """

    redact: bool = True
    entries: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 16384
