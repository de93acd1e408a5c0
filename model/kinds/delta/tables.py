"""The tables of a message of delta rows: columns point to their entries."""

from typing import Final

from model.column import hidden
from model.handshake import NO_HANDSHAKE
from model.tables import (
    CHAIN,
    ENTITY,
    QUERIES,
    REQUESTS,
    TEXTS,
    RecordType,
    Table,
    chain_field,
    entity_field,
    record_fields,
    stem,
    text_field,
)

#: Fields of rows, one for each part of ``Handshake``.
HANDSHAKE_FIELDS: Final = (
    "tls.protocol.version",
    "tls.cipher",
    "tls.client.server_name",
    "tls.next_protocol",
    "tls.client.offered_protocols",
)

CGROUPS: Final = Table(
    "cgroups", TEXTS, lambda index: (text_field(f"{stem(index)}.path", "cgroups", index),), "paths of cgroups"
)
ENTITIES: Final = Table(
    "entities",
    ENTITY,
    lambda index: (entity_field(stem(index), "entities", index),),
    "maps of attributes; the first is empty",
)
CHAINS: Final = Table(
    "chains",
    CHAIN,
    lambda index: (chain_field(stem(index), "chains", index),),
    "chains of rewrites: `lengths`, a byte for each but the empty first one, and `hops`, 36 bytes each: source and "
    "destination address, source and destination port",
)

HANDSHAKES: Final = Table(
    "handshakes",
    RecordType(NO_HANDSHAKE),
    lambda index: record_fields(
        [(name, place) for place, name in enumerate(HANDSHAKE_FIELDS)], "handshakes", index
    ),
    "what hellos of TLS say, five texts each: version, cipher, server name, protocol chosen, protocols offered; the "
    "first is empty",
)

NAMES: Final = Table(
    "names",
    TEXTS,
    lambda index: (text_field(stem(index), "names", index),),
    "names that addresses have for who called them; the first is empty",
)

REQUESTED: Final = Table(
    "requests",
    REQUESTS,
    hidden,
    "groups of requests of HTTP: `begins` (64 bits) says where those of each group begin and the last one ends; for "
    "each request `method` (8 bits), `status` (16), `route` and `histogram` (32, places in `routes` and in "
    "`histograms`), `requests` and `latency_ns` (64)",
)

QUERIED: Final = Table(
    "queries",
    QUERIES,
    hidden,
    "groups of queries of DNS: `begins` (64 bits) says where those of each group begin and the last one ends; for "
    "each query `name` and `histogram` (32 bits, places in `names` and in `histograms`), `type` and `rcode` (16), "
    "`queries`, `latency_ns`, `retries`, `truncated` and `search` (64)",
)
