"""Configuration of what is reported of processes."""

from typing import Annotated, Literal

import msgspec

from model.settings import PluginConfig


class ProcessConfig(PluginConfig, frozen=True):
    """What is reported of processes.

    :param executions: whether programs that are executed are seen in the kernel, where it can be had, or not at all;
        without, processes that live less than a second have no executable.
    :param redact: whether what looks like a secret is masked in command lines.
    :param entries: processes known at once, also of those that ended; about 1 kB each.
    """

    executions: Literal["auto", "off"] = "auto"
    redact: bool = True
    entries: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 16384
