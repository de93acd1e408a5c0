"""Attaching with alternatives: which is taken, why others are not, and what close() gives back."""

import errno
import os
from pathlib import Path

import pytest

from model.errors import ProbeError
from probes.kernel import bpf, kprobes
from probes.kernel.loader import Loaded
from probes.kernel.program import Feature, Hook

WAYS = (Hook("refused", "first"), Hook("kept", "absent"), Hook("kept", "forbidden"), Hook("kept", "there"))


def is_open(fd: int) -> bool:
    """Whether the descriptor is in use."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """A kernel that has the tracepoint ``there``, and lets nobody attach to ``forbidden``."""

    def attach(program: int, name: str) -> int:
        codes = {"absent": errno.ENOENT, "forbidden": errno.EPERM}
        if name in codes:
            raise OSError(codes[name], os.strerror(codes[name]), "bpf RAW_TRACEPOINT_OPEN")
        return os.dup(program)

    monkeypatch.setattr(bpf, "attach_raw_tracepoint", attach)
    null = os.open(os.devnull, os.O_RDONLY)
    return Loaded({"cells": os.dup(null)}, {"kept": null}, {"refused": "invalid mem access"})


def test_the_first_that_attaches_is_taken(loaded: Loaded) -> None:
    """Each refusal before it has its reason in words."""
    taken = loaded.attach(Feature("trial", "tests", WAYS))
    assert taken.hook == WAYS[3]
    assert taken.refused == {
        "tracepoint first": "the kernel refused the program: invalid mem access",
        "tracepoint absent": "the kernel has no such tracepoint",
        "tracepoint forbidden": "Operation not permitted",
    }
    assert [hook.name for hook in loaded.links] == ["tracepoint there"]
    loaded.close()


def test_a_required_feature_without_hook_ends_the_start(loaded: Loaded) -> None:
    """The error names the feature and every reason."""
    message = r"no hook for trial: .*tracepoint absent: .*; tracepoint forbidden: Operation not permitted"
    with pytest.raises(ProbeError, match=message):
        loaded.attach(Feature("trial", "tests", WAYS[1:3]))
    loaded.close()


def test_an_optional_feature_may_be_missing(loaded: Loaded) -> None:
    """It is noted with its reasons, and nothing is attached."""
    taken = loaded.attach(Feature("trial", "tests", WAYS[:2], required=False, loss="nothing"))
    assert (taken.hook, list(taken.refused)) == (None, ["tracepoint first", "tracepoint absent"])
    assert loaded.links == {}
    loaded.close()


def test_a_program_without_tracepoint_needs_no_link(loaded: Loaded) -> None:
    """What user space runs itself is taken as soon as the kernel has the program."""
    assert loaded.attach(Feature("trial", "tests", (Hook("kept"),))).hook == Hook("kept")
    assert loaded.links == {}
    loaded.close()


def test_close_gives_every_descriptor_back(loaded: Loaded) -> None:
    """Links go with detach(), maps and programs with close(); a second close() does no harm."""
    loaded.attach(Feature("trial", "tests", WAYS[3:]))
    links, rest = list(loaded.links.values()), [*loaded.maps.values(), *loaded.programs.values()]
    loaded.detach()
    assert [is_open(fd) for fd in links + rest] == [False, True, True]
    loaded.close()
    loaded.close()
    assert not any(is_open(fd) for fd in links + rest)


def test_parts_are_attached_all_or_none(loaded: Loaded) -> None:
    """A part that is refused is named, and what was attached before it is let go."""
    before = set(Path("/proc/self/fd").iterdir())
    pair = Hook("kept", "there", others=(Hook("kept", "absent"),))
    whole = Hook("kept", "there", others=(Hook("kept", "here"),))
    taken = loaded.attach(Feature("trial", "tests", (pair,), required=False, loss="nothing"))
    assert taken.refused == {"tracepoint there": "tracepoint absent: the kernel has no such tracepoint"}
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert loaded.attach(Feature("trial", "tests", (whole,))).hook == whole
    assert [hook.name for hook in loaded.links] == ["tracepoint there", "tracepoint here"]
    loaded.close()


def test_a_program_that_was_not_compiled_has_its_reason(loaded: Loaded) -> None:
    """Its hook is refused with why the source does not have it."""
    loaded.absent["left out"] = "no types"
    ways = (Hook("left out", "there"), Hook("kept", "there"))
    assert loaded.attach(Feature("trial", "tests", ways)).refused == {"tracepoint there": "no types"}
    loaded.close()


def test_a_kernel_without_kprobes_says_so(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The kernel's own folder for them tells."""
    monkeypatch.setattr(kprobes, "PMU", tmp_path / "none")
    probe = Hook("kept", kind="kprobe", function="nf_ct_delete")
    taken = loaded.attach(Feature("trial", "tests", (probe,), required=False, loss="nothing"))
    assert taken.refused == {"kprobe nf_ct_delete": "the kernel has no kprobes"}
    loaded.close()
