"""Which server and database a configuration means."""

from typing import Final

from sinks.clickhouse.connection import Server
from store.config import SERVER_URL, StoreConfig

#: In which the tables are unless the URL says another.
DATABASE: Final = "tailrace"
_PORTS: Final = {"http": 8123, "https": 8443}


def server_of(config: StoreConfig) -> tuple[Server, str]:
    """The server, and the database."""
    found = SERVER_URL.fullmatch(config.url)
    assert found, "StoreConfig checks it"
    scheme = "https" if found["scheme"] == "clickhouses" else "http"
    url = f"{scheme}://{found['host']}:{found['port'] or _PORTS[scheme]}"
    return Server(url, config.user, config.password, config.ca), found["database"] or DATABASE
