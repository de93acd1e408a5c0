"""Header fields of HTTP/2 that are looked at, and what HPACK's static table says of them (RFC 7541, appendix A)."""

from enum import IntEnum
from typing import Final

import numpy as np

from probes.kernel.layout import enums

_METHODS: Final = enums("http")["http_method"]


class Field(IntEnum):
    """What a header field is; its value is one number."""

    NONE = 0
    METHOD = 1  # 1 + enum http_method
    PATH = 2  # its hash
    STATUS = 3
    GRPC_STATUS = 4  # 1 + status
    HOST = 5  # its hash
    CONTENT_TYPE = 6  # enum Content
    UNKNOWN = 7  # an entry of the dynamic table that is not known


class Content(IntEnum):
    """What a content type is."""

    OTHER = 1
    GRPC = 2


#: Fields that have a value.
WANTED: Final = (
    *(Field.METHOD, Field.PATH, Field.STATUS, Field.GRPC_STATUS, Field.HOST, Field.CONTENT_TYPE),
)
#: Their names, as they stand in a literal.
NAMES: Final = {
    Field.METHOD: b":method",
    Field.PATH: b":path",
    Field.STATUS: b":status",
    Field.GRPC_STATUS: b"grpc-status",
    Field.HOST: b":authority",
    Field.CONTENT_TYPE: b"content-type",
}
#: Entries of the static table; what is beyond is in the dynamic one.
STATIC: Final = 61
#: The field of each place in the static table, from 1 on.
FIELDS: Final = np.zeros(STATIC + 1, np.uint8)
FIELDS[[1, 31]] = Field.HOST, Field.CONTENT_TYPE
FIELDS[[2, 3]] = Field.METHOD
FIELDS[[4, 5]] = Field.PATH
FIELDS[8:15] = Field.STATUS
#: Their values where these are no texts; paths are added by who hashes them.
VALUES: Final = np.zeros(STATIC + 1, np.uint64)
VALUES[[2, 3]] = 1 + _METHODS["METHOD_GET"], 1 + _METHODS["METHOD_POST"]
VALUES[8:15] = 200, 204, 206, 304, 400, 404, 500
VALUES[31] = Content.OTHER
#: The same for paths.
PATHS: Final = {4: b"/", 5: b"/index.html"}
