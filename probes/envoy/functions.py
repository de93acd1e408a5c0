"""Finds the functions of an Envoy that its connections go through: the program has no symbols.

Each writes a line to Envoy's log when it begins, and refers to the line's text (envoyproxy/envoy:
source/common/network/connection_impl.cc). A function is known when it is the only one that refers to its text.
"""

from typing import Final

from probes.kernel.elf import Elf, ElfError
from probes.userspace.code import Code, strings
from probes.userspace.finding import Finder, Finding, Target

#: Functions of Network::ConnectionImpl: the program that runs there, and the end of the text that it logs.
FUNCTIONS: Final = {
    "onReadReady": ("envoy_read_ready", b"read ready. dispatch_buffered_data={}"),
    "onWriteReady": ("envoy_write_ready", b"write ready"),
    "write": ("envoy_write", b"writing {} bytes, end_stream {}"),
}
#: For HTTP/2, likewise: functions of Http2::ConnectionImpl (source/common/http/http2/codec_impl.cc), and one more of
#: the connection. All, or none is probed.
HTTP2_FUNCTIONS: Final = {
    "onBeforeFrameReceived": (
        "envoy_frame_came",
        b"about to recv frame type={}, flags={}, stream_id={}",
    ),
    "onFrameSend": ("envoy_frame_given", b"sent frame type={}, stream_id={}, length={}"),
    "closeSocket": ("envoy_closing", b"closing socket: {}"),
}
#: Programs that run when one of them returns.
RETURNS: Final = {"onReadReady": "envoy_read_over"}
#: What stands before it: where the connection's number goes.
_PREFIXES: Final = (b"{}", b"[C{}] ")


def find_envoy(elf: Elf) -> Finding | None:
    """What a file has of an Envoy; None if it has none of the texts.

    :raises ElfError: if there is not exactly one candidate for each function.
    """
    every = {**FUNCTIONS, **HTTP2_FUNCTIONS}
    places = {name: _places(elf, text) for name, (_, text) in every.items()}
    if not any(places[name] for name in FUNCTIONS):
        return None
    code = Code(elf)
    at = code.references(place for found in places.values() for place in found)
    found = {
        name: {code.function_at(it) for one in texts for it in at[one]} for name, texts in places.items()
    }
    streams = all(len(found[name]) == 1 for name in HTTP2_FUNCTIONS)
    targets = [
        Target(program, name, _one(name, found[name]), RETURNS.get(name, ""))
        for name, (program, _) in (every if streams else FUNCTIONS).items()
    ]
    how = "by the texts that its functions log" + ("" if streams else "; not those of HTTP/2")
    return Finding("Envoy", how, tuple(targets))


def _places(elf: Elf, text: bytes) -> list[int]:
    return [place for prefix in _PREFIXES for place in strings(elf, prefix + text)]


def _one(name: str, found: set[int]) -> int:
    if len(found) != 1:
        raise ElfError(f"Envoy: {len(found) or 'no'} candidates for {name}")
    return found.pop()


#: Programs with an Envoy in them are tens of megabytes.
FINDER: Final = Finder("Envoy", find_envoy, least_bytes=4 << 20)
