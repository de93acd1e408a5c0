"""Configuration of the HTTP probe, and of what its requests are called."""

from collections.abc import Sized
from typing import Annotated, Literal

import msgspec

#: A rule begins with a slash; its segments are names, ``{parameters}`` and ``*``.
Rule = Annotated[str, msgspec.Meta(pattern=r"^/[^?#\s]*$")]


Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
#: The name of a process as the kernel has it (``comm``), or how it begins and ``*``.
Name = Annotated[str, msgspec.Meta(pattern=r"^[^*\x00]{0,15}\*?$", min_length=1)]


class Http2Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Requests of HTTP/2 and gRPC.

    :param enabled: whether they are counted; ``auto``: where the kernel offers what is needed. With ``http.enabled``
        off they are not.
    :param connections: open at once whose frames are followed; what is beyond is not counted.
    :param streams: requests under way at once, in all connections; of more the oldest are given up, and counted.
    :param ring_bytes: kernel memory for pieces of header blocks that come while nobody reads, 64 bytes each; a power
        of two. While they come faster than they are decoded, up to three times as much of the process's own is used.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    connections: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 4096
    streams: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 65536
    ring_bytes: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 30)] = 32 << 20

    def __post_init__(self) -> None:
        if self.ring_bytes & (self.ring_bytes - 1):
            raise ValueError("ring_bytes must be a power of two, such as 33554432")


class HttpConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Requests of HTTP/1.

    :param enabled: whether requests are counted; ``auto``: where the kernel offers what is needed.
    :param tls: whether requests in TLS are counted, too: by probes in the libraries of processes.
    :param handshakes: whether version, cipher, name and protocols of TLS connections are read from their hellos.
    :param tls_sessions: connections of TLS libraries whose socket is known at once.
    :param host: whether hosts of requests are kept apart, and told.
    :param ports: of servers whose requests are counted; none: of all.
    :param except_ports: of servers whose requests are not.
    :param processes: names of processes (``comm``, a last ``*`` for any end) whose connections are looked at; none:
        of all.
    :param except_processes: likewise, whose connections are not.
    :param namespaces: network namespaces, as the configuration's ``namespaces``, whose requests are counted.
    :param hooks: where reads and writes are seen: at ``tracepoints`` (Linux 6.3) or at the ``exits`` of TCP's own
        functions; ``auto``: the first that there is.
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
    host: Literal["on", "off"] = "off"
    ports: Annotated[list[Port], msgspec.Meta(max_length=512)] = []
    except_ports: Annotated[list[Port], msgspec.Meta(max_length=512)] = []
    processes: Annotated[list[Name], msgspec.Meta(max_length=32)] = []
    except_processes: Annotated[list[Name], msgspec.Meta(max_length=32)] = []
    namespaces: list[str] = []
    hooks: Literal["auto", "tracepoints", "exits"] = "auto"
    cells: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 16384
    paths: Annotated[int, msgspec.Meta(ge=16, le=1 << 20)] = 16384
    rules: list[Rule] = []
    routes: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 4096
    routes_of_service: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 512
    children: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)] = 50
    learnt: str = "/var/lib/tailrace/routes.json"
    http2: Http2Config = Http2Config()

    @property
    def with_hosts(self) -> bool:
        """Whether the kernel keeps hosts apart."""
        return self.host == "on"

    @property
    def port_rules(self) -> int:
        """``enum http_rules``."""
        return _rules(self.ports, self.except_ports)

    @property
    def name_rules(self) -> int:
        """``enum http_rules``."""
        return _rules(self.processes, self.except_processes)

    @property
    def netns_rules(self) -> int:
        """``enum http_rules``."""
        return _rules(self.namespaces, ())


def _rules(only: Sized, but: Sized) -> int:
    return 2 if len(only) else int(len(but) > 0)
