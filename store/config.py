"""Where the store is, and how long it keeps what."""

from typing import Annotated, Final

import msgspec

from model.settings import PluginConfig

#: Bytes that questions take at most, and threads of one question.
QUERY_MEMORY: Final = 384 << 20
QUERY_THREADS: Final = 2

_Seconds = Annotated[int, msgspec.Meta(ge=60)]


class StoreConfig(PluginConfig, frozen=True):
    """Where it is and how long it keeps what; ``--sink store:FOLDER`` sets the folder.

    Only time counts in which something was recorded.

    :param path: a folder; it is made if need be. One program writes to it, any number may read.
    :param keep_1s: seconds that are kept one by one.
    :param keep_10s: seconds that are kept in steps of ten.
    :param keep_60s: seconds that are kept in steps of a minute.
    :param max_bytes: of all its files; the oldest rows make room (noted as `forgotten`).
    """

    path: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/tailrace/store"
    keep_1s: _Seconds = 3600
    keep_10s: _Seconds = 86_400
    keep_60s: _Seconds = 30 * 86_400
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 8 << 30
