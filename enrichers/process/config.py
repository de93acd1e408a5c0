"""Configuration of what is reported of processes."""

from typing import Annotated

import msgspec


class ProcessConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is reported of processes.

    :param redact: whether what looks like a secret is masked in command lines.
    :param entries: processes known at once, also of those that ended.
    """

    redact: bool = True
    entries: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 16384
