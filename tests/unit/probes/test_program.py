"""What a probe asks of the kernel, before any kernel is asked."""

from probes.compiler import MAX_DESCRIPTORS
from probes.program import Hook, read_source
from probes.tcp import FEATURES, MAPS, SOURCES


def test_hooks_have_the_name_of_what_they_attach_to() -> None:
    """A hook is named by its tracepoint, or by its program where user space runs it."""
    assert Hook("used", "tcp_sendmsg_locked").name == "tracepoint tcp_sendmsg_locked"
    assert Hook("sweep").name == "program sweep"


def test_a_source_keeps_its_file_names() -> None:
    """clang's messages name the file and the line in it, though bcc gets one text."""
    text = read_source("numbers.h", "events.h")
    assert text.startswith('#line 1 "numbers.h"\n')
    assert '\n#line 1 "events.h"\n' in text


def test_every_program_and_map_is_in_the_source() -> None:
    """No hook names a program, and no list a map, that the source lacks."""
    text = read_source(*SOURCES)
    programs = {hook.program for feature in FEATURES for hook in feature.alternatives}
    assert {name for name in programs if f"int {name}(" not in text} == set()
    assert {name for name in MAPS if f"{name}," not in text and f"({name}" not in text} == set()
    assert len(programs) + len(MAPS) < MAX_DESCRIPTORS


def test_optional_features_say_what_their_lack_costs() -> None:
    """Each feature has a purpose; whoever can be missing has a loss, whoever cannot has none."""
    assert all(feature.purpose and feature.alternatives for feature in FEATURES)
    assert [feature.name for feature in FEATURES if feature.required == bool(feature.loss)] == []
