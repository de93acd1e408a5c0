"""Attaching with alternatives: which is taken, why others are not, and what close() gives back."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import ProbeError
from model.probe import Feature, Hook, Place
from probes.kernel import attach, perf_events
from probes.kernel.loader import Loaded

WAYS = (Hook("refused", "first"), Hook("kept", "absent"), Hook("kept", "forbidden"), Hook("kept", "there"))


def is_open(fd: int) -> bool:
    """Whether the descriptor is in use."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class Kernel:
    """Has the tracepoints ``there`` and ``here``, and lets nobody attach to ``forbidden``."""

    def __init__(self) -> None:
        self.links: dict[str, int] = {}

    def attach(self, program: int, name: str) -> int:
        """As bpf(2) does it: the descriptor holds the program there."""
        codes = {"absent": errno.ENOENT, "forbidden": errno.EPERM}
        if name in codes:
            raise OSError(codes[name], os.strerror(codes[name]), "bpf RAW_TRACEPOINT_OPEN")
        self.links[name] = os.dup(program)
        return self.links[name]

    @property
    def attached(self) -> list[str]:
        """Where programs are attached now."""
        return [name for name, link in self.links.items() if is_open(link)]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(attach, "attach_raw_tracepoint", made.attach)
    return made


@pytest.fixture
def loaded(kernel: Kernel) -> Iterator[Loaded]:
    null = os.open(os.devnull, os.O_RDONLY)
    made = Loaded({"cells": os.dup(null)}, {"kept": null}, {"refused": "invalid mem access"})
    yield made
    made.close()


def test_the_first_that_attaches_is_taken(loaded: Loaded, kernel: Kernel) -> None:
    """Each refusal before it has its reason in words."""
    taken = loaded.attach(Feature("trial", "tests", WAYS))
    assert taken.hook == WAYS[3]
    assert taken.refused == {
        "tracepoint first": "the kernel refused the program: invalid mem access",
        "tracepoint absent": "the kernel has no such tracepoint",
        "tracepoint forbidden": "Operation not permitted",
    }
    assert kernel.attached == ["there"]


def test_a_required_feature_without_hook_ends_the_start(loaded: Loaded) -> None:
    """The error names the feature and every reason."""
    message = r"no hook for trial: .*tracepoint absent: .*; tracepoint forbidden: Operation not permitted"
    with pytest.raises(ProbeError, match=message):
        loaded.attach(Feature("trial", "tests", WAYS[1:3]))


def test_an_optional_feature_may_be_missing(loaded: Loaded, kernel: Kernel) -> None:
    """It is noted with its reasons, and nothing is attached."""
    taken = loaded.attach(Feature("trial", "tests", WAYS[:2], required=False, loss="nothing"))
    assert (taken.hook, list(taken.refused)) == (None, ["tracepoint first", "tracepoint absent"])
    assert kernel.attached == []


def test_what_user_space_runs_itself_needs_no_link(loaded: Loaded, kernel: Kernel) -> None:
    """It is taken as soon as the kernel has the program."""
    iterator = Hook("kept", kind="iterator")
    assert loaded.attach(Feature("trial", "tests", (iterator,))).hook == iterator
    assert kernel.attached == []


def test_close_gives_every_descriptor_back(loaded: Loaded, kernel: Kernel) -> None:
    """Links go with detach(), maps and programs with close(); a second close() does no harm."""
    loaded.attach(Feature("trial", "tests", WAYS[3:]))
    rest = [*loaded.maps.values(), *loaded.programs.values()]
    loaded.detach()
    assert (kernel.attached, [is_open(fd) for fd in rest]) == ([], [True, True])
    loaded.close()
    loaded.close()
    assert not any(is_open(fd) for fd in rest)


def test_parts_are_attached_all_or_none(loaded: Loaded, kernel: Kernel) -> None:
    """A part that is refused is named, and what was attached before it is let go."""
    pair = Hook("kept", "there", others=(Hook("kept", "absent"),))
    whole = Hook("kept", "there", others=(Hook("kept", "here"),))
    taken = loaded.attach(Feature("trial", "tests", (pair,), required=False, loss="nothing"))
    assert taken.refused == {"tracepoint there": "tracepoint absent: the kernel has no such tracepoint"}
    assert kernel.attached == []
    assert loaded.attach(Feature("trial", "tests", (whole,))).hook == whole
    assert kernel.attached == ["there", "here"]


def test_a_hook_can_come_and_go_while_others_are_attached(loaded: Loaded, kernel: Kernel) -> None:
    """It is attached until its own handle is closed; one that is refused is an error with its reason."""
    loaded.attach(Feature("trial", "tests", WAYS[3:]))
    handle = loaded.attach_hook(Hook("kept", "here"))
    assert kernel.attached == ["there", "here"]
    handle.close()
    assert kernel.attached == ["there"]
    with pytest.raises(
        ProbeError, match=r"cannot attach tracepoint absent .the kernel has no such tracepoint"
    ):
        loaded.attach_hook(Hook("kept", "absent"))


def test_a_kernel_without_programs_at_cgroups_says_so(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hierarchy cannot be mounted: `doctor` names what the kernel was built without."""

    def absent(kind: str) -> Path:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), kind)

    monkeypatch.setattr(attach, "root_of", absent)
    taken = loaded.attach(Feature("f", "", (Hook("kept", "inet_egress", "cgroup"),), required=False))
    assert taken.hook is None
    assert taken.refused == {
        "cgroup inet_egress": "the kernel has no programs at cgroups v2 (CONFIG_CGROUP_BPF)"
    }


def test_a_program_that_was_not_compiled_has_its_reason(loaded: Loaded) -> None:
    """Its hook is refused with why the source does not have it."""
    loaded.absent["left out"] = "no types"
    ways = (Hook("left out", "there"), Hook("kept", "there"))
    assert loaded.attach(Feature("trial", "tests", ways)).refused == {"tracepoint there": "no types"}


@pytest.mark.parametrize(
    ("hook", "refused"),
    [
        (Hook("kept", "nf_ct_delete", "kprobe"), {"kprobe nf_ct_delete": "the kernel has no kprobes"}),
        (
            Hook("kept", kind="uprobe", place=Place("libc.so.6", symbol="getaddrinfo")),
            {"uprobe libc.so.6:getaddrinfo": "the kernel has no uprobes"},
        ),
    ],
)
def test_a_kernel_without_probes_says_so(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hook: Hook, refused: dict[str, str]
) -> None:
    """The kernel's own folder for them tells; one without uprobes has no links of them."""
    monkeypatch.setattr(perf_events, "SOURCES", tmp_path)
    monkeypatch.setattr(attach, "has_uprobe_links", lambda: False)
    taken = loaded.attach(Feature("trial", "tests", (hook,), required=False, loss="nothing"))
    assert taken.refused == refused
