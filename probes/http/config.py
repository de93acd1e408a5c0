"""Configuration of the HTTP probe, and of what its requests are called."""

from typing import Annotated, Literal

import msgspec

#: A rule begins with a slash; its segments are names, ``{parameters}`` and ``*``.
Rule = Annotated[str, msgspec.Meta(pattern=r"^/[^?#\s]*$")]


class Http2Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Requests of HTTP/2 and gRPC.

    :param enabled: whether they are counted; ``auto``: where the kernel offers what is needed. With ``http.enabled``
        off they are not.
    :param connections: open at once whose frames are followed; what is beyond is not counted.
    :param streams: requests under way at once, in all connections; of more the oldest are given up, and counted.
    :param ring_bytes: memory for pieces of header blocks that wait to be decoded, 64 bytes each; a power of two.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    connections: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 4096
    streams: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 65536
    ring_bytes: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 30)] = 8 << 20

    def __post_init__(self) -> None:
        if self.ring_bytes & (self.ring_bytes - 1):
            raise ValueError("ring_bytes must be a power of two, such as 8388608")


class HttpConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Requests of HTTP/1.

    :param enabled: whether requests are counted; ``auto``: where the kernel offers what is needed.
    :param tls: whether requests in TLS are counted, too: by probes in the libraries of processes.
    :param handshakes: whether version, cipher, name and protocols of TLS connections are read from their hellos.
    :param tls_sessions: connections of TLS libraries whose socket is known at once.
    :param cells: kinds of requests (connection, method, path, status) that are counted at once in the kernel.
    :param paths: of different templates that are kept apart; what is beyond is counted as ``other``.
    :param rules: of routes, such as ``/users/{id}``: a path that fits one has its name.
    :param routes: that are kept apart; what is beyond is counted as ``other``.
    :param routes_of_service: of one workload, likewise.
    :param children: different segments at one place of a path; where there are more they are one ``*``.
    :param learnt: a file that keeps which these places are, so that routes have the same names after a restart;
        empty for none.
    :param http2: requests of HTTP/2 and gRPC.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    tls: Literal["auto", "on", "off"] = "auto"
    handshakes: Literal["auto", "on", "off"] = "auto"
    tls_sessions: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 16384
    cells: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 16384
    paths: Annotated[int, msgspec.Meta(ge=16, le=1 << 20)] = 16384
    rules: list[Rule] = []
    routes: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 4096
    routes_of_service: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 512
    children: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)] = 50
    learnt: str = "/var/lib/tailrace/routes.json"
    http2: Http2Config = Http2Config()
