"""Which connections the HTTP probe looks at, as its maps have it: ports, names of processes, network namespaces."""

import contextlib
import struct
from typing import Final

from probes.http.config import HttpConfig
from probes.kernel.bpf.maps import map_delete, map_update
from probes.kernel.loader import Loaded
from probes.kernel.namespaces import ChosenNamespaces

#: ``enum http_rule`` (bpf/http/wanted.h).
_ONLY, _EXCEPT = 1, 2
#: ``struct http_name``: text, mask, rule.
_NAME: Final = struct.Struct("=16s16sQ")


class WantedConnections:
    """Fills the maps of ``bpf/http/wanted.h``.

    :param loaded: with nothing attached yet: what is wanted must be known before the first request.
    """

    def __init__(self, loaded: Loaded, config: HttpConfig) -> None:
        self._loaded = loaded
        self._namespaces = ChosenNamespaces(config.namespaces)
        self._known: frozenset[int] = frozenset()
        for rule, ports in ((_ONLY, config.ports), (_EXCEPT, config.except_ports)):
            for port in ports:
                map_update(loaded.maps["http_ports"], port.to_bytes(4, "little"), bytes([rule]))
        rules = [(_EXCEPT, name) for name in config.except_processes]
        rules += [(_ONLY, name) for name in config.processes]
        for place, (rule, name) in enumerate(rules):
            value = name_value(name, rule)
            map_update(loaded.maps["http_names"], place.to_bytes(4, "little"), value)
        self.refresh()

    def refresh(self) -> None:
        """Lets namespaces in that have come, and others out."""
        if self._namespaces.all:
            return
        self._namespaces.refresh()
        table, inodes = self._loaded.maps["http_namespaces"], self._namespaces.inodes
        for inode in inodes - self._known:
            map_update(table, inode.to_bytes(4, "little"), b"\1")
        for inode in self._known - inodes:
            with contextlib.suppress(FileNotFoundError):
                map_delete(table, inode.to_bytes(4, "little"))
        self._known = inodes


def name_value(name: str, rule: int) -> bytes:
    """A name, or how it begins and ``*``, as ``struct http_name``."""
    text = name.removesuffix("*").encode()[:15]
    mask = b"\xff" * (len(text) if name.endswith("*") else 16)
    return _NAME.pack(text, mask, rule)
