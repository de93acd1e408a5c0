"""Which BPF sources are compiled, by where the kernel's types come from, and what cannot be had then."""

from probes.conntrack.hooks import KPROBES
from probes.kernel.headers import Headers, knows_conntrack
from probes.kernel.program import read_source

_SOURCES = (
    "numbers.h",
    "events.h",
    "maps.h",
    "ring.h",
    "counters.h",
    "owner.h",
    "slots.h",
    "life.h",
    "sweep.c",
    "tcp.c",
    "nat.c",
    "process.c",
)
#: Their contexts (``struct bpf_iter__tcp``) are in no header, and the kernel checks them by BTF.
_ITERATORS = "adopt.c"

_NO_BTF = "iterators need the kernel's BTF, and it has none"
_NO_CONNTRACK = "the types of conntrack are not known: load the module nf_conntrack before the start"


def source_text(headers: Headers) -> str:
    """All of the BPF source that compiles with these headers."""
    if headers.source == "btf":
        return read_source(*_SOURCES, _ITERATORS)
    return read_source("installed.h", *_SOURCES)


def absent_programs(headers: Headers) -> dict[str, str]:
    """Programs that the source does not have then, with the reason."""
    absent: dict[str, str] = {}
    if headers.source != "btf":
        absent |= dict.fromkeys(("bpf_iter__task_file", "bpf_iter__tcp"), _NO_BTF)
    if not knows_conntrack(headers):
        absent |= {part.program: _NO_CONNTRACK for part in KPROBES.parts}
    return absent
