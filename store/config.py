"""Where the store is, and how long it keeps what."""

import re
from typing import Annotated, Final

import msgspec

from model.settings import PluginConfig, Secret, UrlSecret

#: Bytes that questions take at most, and threads of one question.
QUERY_MEMORY: Final = 384 << 20
QUERY_THREADS: Final = 2

#: Where a server is: ``clickhouse://db.example:8123/tailrace``; ``clickhouses``: by TLS.
SERVER_URL: Final = re.compile(
    r"(?P<scheme>clickhouses?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?(/(?P<database>[A-Za-z_]\w*))?/?"
)

_Seconds = Annotated[int, msgspec.Meta(ge=60)]


class StoreConfig(PluginConfig, frozen=True):
    """Where it is and how long it keeps what; ``--sink store:FOLDER`` sets the folder.

    In a folder only time counts in which something was recorded; in ClickHouse its clock does.

    :param path: a folder; it is made if need be. One program writes to it, any number may read.
    :param url: ClickHouse in place of a folder: ``clickhouse://HOST:8123/DATABASE``, with TLS ``clickhouses://``. Any
        number may write.
    :param user: of ClickHouse.
    :param password: of this user.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    :param keep_1s: seconds that are kept one by one.
    :param keep_10s: seconds that are kept in steps of ten.
    :param keep_60s: seconds that are kept in steps of a minute.
    :param max_bytes: of all files of a folder; the oldest rows make room (noted as `forgotten`).
    """

    path: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/tailrace/store"
    url: Annotated[str, UrlSecret("password")] = ""
    user: str = "default"
    password: Annotated[str, Secret()] = ""
    ca: str = ""
    keep_1s: _Seconds = 3600
    keep_10s: _Seconds = 86_400
    keep_60s: _Seconds = 30 * 86_400
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 8 << 30

    def __post_init__(self) -> None:
        if "@" in self.url:
            raise ValueError("url has no user and no password: write them into user and password")
        if self.url and not SERVER_URL.fullmatch(self.url):
            raise ValueError("write url as clickhouse://HOST:8123/DATABASE")
