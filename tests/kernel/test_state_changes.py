"""State changes that come in the middle of another one, where the kernel skips the program that sees all others."""

import os
from collections.abc import Iterator

import pytest

from actors.node.rows import close_reasons
from model.kinds.delta import CloseReason, Evidence, Role
from probes.kernel.layout import enums
from probes.tcp.probe import STATES
from tests.declared import KIND
from tests.kernel.loopback import Seen, connect, listening
from tests.kernel.started import Probes
from tests.kernel.test_tcp_probe import bytes_by_role, started

pytestmark = pytest.mark.kernel

FLAGS = enums("tcp")["event_flag"]


@pytest.fixture
def probe() -> Iterator[Probes]:
    """A probe with room for all."""
    with started() as probe:
        yield probe


def skip(probe: Probes, programs: int) -> None:
    """From now on the kernel skips so many of the programs that see state changes."""
    (hook,) = STATES.alternatives
    (attached,) = [held for held in probe.loaded.attached if hook in held.links]
    for part in hook.parts[:programs]:
        os.close(attached.links.pop(part))


def test_they_are_seen_by_the_second_program(probe: Probes) -> None:
    """Ends with bytes and reason, accepted sockets with their owner: nothing is healed later, or unknown."""
    with listening() as listener:
        seen, port = Seen(probe), listener.getsockname()[1]
        before = connect(listener)
        before.exchange(1000, 2000)
        skip(probe, 1)
        before.close()
        both = seen.await_ends(port, 2)
        accepted = connect(listener)
        accepted.exchange(300, 400)
        accepted.close()
        ends = seen.await_ends(port, 3)
    assert bytes_by_role(both) == {(Role.CLIENT, 1000, 2000), (Role.SERVER, 2000, 1000)}
    assert bytes_by_role(ends[2:]) == {(Role.SERVER, 400, 300)}
    assert set(ends["header"]["kind"].tolist()) == {KIND["KIND_CLOSE"]}
    assert set(ends["socket"]["owner"]["tgid"].tolist()) == {os.getpid()}
    assert sorted(ends["socket"]["evidence"].tolist()) == [Evidence.OPENED, *2 * [Evidence.ACCEPTED]]
    assert not (ends["socket"]["flags"] & (FLAGS["FLAG_UNTRACKED"] | FLAGS["FLAG_HEALED"])).any()
    assert all(ends["socket"]["established_ns"])
    tallies = probe.tallies()
    assert tallies["within"] >= 4  # three ends, and one that was accepted
    assert (tallies["healed"], tallies["untracked"]) == (0, 0)


def test_the_second_program_does_nothing_twice(probe: Probes) -> None:
    """Without such changes each end is reported once, by the first program alone."""
    with listening() as listener:
        seen, port = Seen(probe), listener.getsockname()[1]
        for _ in range(50):
            connection = connect(listener)
            connection.exchange(10, 20)
            connection.close()
        ends = seen.await_ends(port, 100)
        assert len(ends) == 100
    assert bytes_by_role(ends) == {(Role.CLIENT, 10, 20), (Role.SERVER, 20, 10)}
    assert probe.tallies()["stale"] == 0


def test_an_end_that_nobody_saw_is_healed(probe: Probes) -> None:
    """When the socket is destroyed: with its exact bytes, but nobody knows who ended it."""
    with listening() as listener:
        seen, port = Seen(probe), listener.getsockname()[1]
        connections = [connect(listener) for _ in range(3)]
        skip(probe, 2)
        for number, connection in enumerate(connections):
            connection.exchange(1000 + number, 2000)
            connection.close()
        ends = seen.await_ends(port, 6)
    sent = {(Role.CLIENT, 1000 + number, 2000) for number in range(3)}
    assert bytes_by_role(ends) == sent | {(Role.SERVER, 2000, 1000 + number) for number in range(3)}
    assert set(ends["header"]["kind"].tolist()) == {KIND["KIND_CLOSE"]}
    assert (ends["socket"]["flags"] & FLAGS["FLAG_HEALED"]).all()
    assert set(close_reasons(ends["header"]["old_state"], ends["header"]["error"]).tolist()) == {
        CloseReason.UNSEEN
    }
    assert probe.tallies()["healed"] >= 6
