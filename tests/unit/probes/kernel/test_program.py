"""What a probe asks of the kernel, before any kernel is asked."""

from collections.abc import Iterable

from probes.kernel.compiler import MAX_DESCRIPTORS
from probes.kernel.headers import Headers
from probes.kernel.program import Feature, Hook, read_source
from probes.sources import absent_programs, source_text
from probes.tcp.probe import ADOPTION, FEATURES, LEFTOVERS, MAPS


def test_hooks_have_the_name_of_what_they_attach_to() -> None:
    """A hook is named by its tracepoint or function, or by its program where user space runs it."""
    assert Hook("used", "tcp_sendmsg_locked").name == "tracepoint tcp_sendmsg_locked"
    assert Hook("nat_leaving", kind="kprobe", function="nf_ct_delete").name == "kprobe nf_ct_delete"
    assert Hook("sweep").name == "program sweep"


def test_a_source_keeps_its_file_names() -> None:
    """clang's messages name the file and the line in it, though bcc gets one text."""
    text = read_source("numbers.h", "events.h")
    assert text.startswith('#line 1 "numbers.h"\n')
    assert '\n#line 1 "events.h"\n' in text


def programs_of(features: Iterable[Feature]) -> set[str]:
    """All that the features' hooks run."""
    return {
        part.program
        for feature in features
        for hook in feature.alternatives
        for part in hook.parts
        if part.program
    }


def test_without_btf_the_iterators_are_left_out() -> None:
    """What the source does not have then is named with its reason, and the kernel's headers come first."""
    installed = Headers("installed", None)
    text, absent = source_text(installed), absent_programs(installed)
    assert text.startswith('#line 1 "installed.h"')
    assert {name for name in programs_of(FEATURES) if f"int {name}(" not in text} == set(absent)
    assert set(absent) == programs_of((ADOPTION, LEFTOVERS))
    assert set(absent.values()) == {"iterators need the kernel's BTF, and it has none"}


def test_every_program_and_map_is_in_the_source() -> None:
    """No hook names a program, and no list a map, that the source lacks."""
    text = source_text(Headers("btf", None))
    programs = programs_of(FEATURES)
    assert {name for name in programs if f"int {name}(" not in text} == set()
    assert {name for name in MAPS if f"{name}," not in text and f"({name}" not in text} == set()
    assert len(programs) + len(MAPS) < MAX_DESCRIPTORS


def test_optional_features_say_what_their_lack_costs() -> None:
    """Each feature has a purpose; whoever can be missing has a loss, whoever cannot has none."""
    assert all(feature.purpose and feature.alternatives for feature in FEATURES)
    assert [feature.name for feature in FEATURES if feature.required == bool(feature.loss)] == []
