"""Ways to attach a program, each one function, in a table by kind. All hang on descriptors: however the process ends,
nothing stays."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from model.probe import Hook, HookKind
from probes.kernel.binaries import locate
from probes.kernel.bpf.links import attach_raw_tracepoint, attach_tracing, create_link
from probes.kernel.bpf.programs import TestRun
from probes.kernel.filesystems import root_of
from probes.kernel.perf_events import attach_kprobe, attach_tracepoint, attach_uprobe
from probes.kernel.program_types import program_type
from probes.kernel.uprobe_links import has_uprobe_links, link_uprobe

#: Attaches a program as a hook says; returns the descriptor that holds it there, None where nothing needs to.
Attach = Callable[[int, Hook], int | None]


def _raw_tracepoint(program: int, hook: Hook) -> int:
    return attach_raw_tracepoint(program, hook.target)


def _tracepoint(program: int, hook: Hook) -> int:
    return attach_tracepoint(program, hook.target)


def _kprobe(program: int, hook: Hook) -> int:
    return attach_kprobe(program, hook.target, at_return=hook.kind == "kretprobe")


def _uprobe(program: int, hook: Hook) -> int:
    assert hook.place
    if has_uprobe_links():
        return _uprobes(program, [hook])
    path, offset = locate(hook.place)
    return attach_uprobe(
        program, path, offset, at_return=hook.kind == "uretprobe", process=hook.place.process
    )


def _uprobes(program: int, hooks: Sequence[Hook]) -> int:
    """Of one kind, in one file."""
    located = [locate(hook.place) for hook in hooks if hook.place]
    place, at_return = hooks[0].place, hooks[0].kind == "uretprobe"
    assert place
    offsets = [offset for _, offset in located]
    return link_uprobe(program, located[0][0], offsets, at_return=at_return, process=place.process)


def _cgroup(program: int, hook: Hook) -> int:
    """At the root of the hierarchy: for the whole machine."""
    with root_of("cgroup2") as root:
        return create_link(program, root, program_type(hook).attach)


def _fexit(program: int, hook: Hook) -> int:
    """Where it runs is said when it is loaded."""
    return attach_tracing(program)


def _on_request(program: int, hook: Hook) -> None:
    """User space runs it; once here, to see whether this kernel can do that."""
    TestRun(program, 1)(0)


def _part(program: int, hook: Hook) -> None:
    """Other programs go on with it, by a map of programs: those of ``fexit`` with what is of their function, those of
    cgroups with what is of their place."""


def _socket_filter(program: int, hook: Hook) -> None:
    """Who opens the socket attaches it there."""


def _iterator(program: int, hook: Hook) -> None:
    """User space runs it when it wants to (``probes.kernel.bpf.links.iterate``)."""


ATTACH: Final[dict[HookKind, Attach]] = {
    "raw_tracepoint": _raw_tracepoint,
    "tracepoint": _tracepoint,
    "kprobe": _kprobe,
    "kretprobe": _kprobe,
    "uprobe": _uprobe,
    "uretprobe": _uprobe,
    "fexit": _fexit,
    "fexit_part": _part,
    "cgroup": _cgroup,
    "cgroup_part": _part,
    "on_request": _on_request,
    "probe_part": _part,
    "iterator": _iterator,
    "socket_filter": _socket_filter,
}


class Attached:
    """Programs that run until ``close``, or until the process that holds this ends."""

    def __init__(self) -> None:
        #: The descriptors that hold them there.
        self.links: dict[Hook, int] = {}

    def add(self, program: int, hook: Hook) -> None:
        """Attaches one more.

        :raises OSError: as the kernel says.
        """
        link = ATTACH[hook.kind](program, hook)
        if link is not None:
            self.links[hook] = link

    def add_together(self, program: int, hooks: Sequence[Hook]) -> None:
        """Attaches one at several places; those in one file by one link, where the kernel has such.

        :raises OSError: as the kernel says.
        """
        if len(hooks) > 1 and has_uprobe_links():
            self.links[hooks[0]] = _uprobes(program, hooks)
            return
        for hook in hooks:
            self.add(program, hook)

    def close(self) -> None:
        """Detaches all of them."""
        while self.links:
            os.close(self.links.popitem()[1])
