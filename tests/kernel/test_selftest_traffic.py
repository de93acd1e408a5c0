"""The traffic of the self-test is what it says it is, and leaves nothing behind."""

import errno
import os
import select
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from model.kinds.delta import CloseReason, Role
from selftest.collect import collect
from selftest.comparison import compare
from selftest.errors import TrafficError
from selftest.profile import QUICK
from selftest.traffic.run import Traffic
from selftest.truth import Truth
from tests.unit.selftest.synthetic import batch, row

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

END_SECONDS = 5
PARENT = """
from selftest.profile import QUICK
from selftest.traffic.run import Traffic
traffic = Traffic(QUICK)
traffic.prepare()
print(*traffic.processes, flush=True)
traffic.run()
"""


@pytest.fixture(scope="module")
def truth() -> Iterator[Truth]:
    """The truth of one quick round."""
    with Traffic(QUICK) as traffic:
        traffic.prepare()
        traffic.run()
        yield traffic.finish()


def namespaces(processes: list[int]) -> set[int]:
    """Inodes of the network namespaces that these processes, or any of all if there are none, live in."""
    inodes = set()
    for process in processes or [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        with suppress(OSError):  # gone meanwhile, or protected, and then none of ours
            inodes.add(Path(f"/proc/{process}/ns/net").stat().st_ino)
    return inodes


def await_end(descriptors: list[int]) -> int:
    """Wait for the end of processes by their descriptors; how many did not end in time."""
    alive = 0
    for descriptor in descriptors:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        alive += not waiting.poll(END_SECONDS * 1000)
        os.close(descriptor)
    return alive


def test_what_one_end_sent_the_other_received(truth: Truth) -> None:
    """The ends of every established connection agree on addresses, bytes and who is the client."""
    ends = [end for end in truth.ends if not end.failed and end.kind != "self"]
    others = defaultdict(list)
    for end in ends:
        others[end.key[2:]].append((end.role, end.rx_bytes, end.tx_bytes))
    opposite = {Role.CLIENT: Role.SERVER, Role.SERVER: Role.CLIENT}
    for end in ends:
        assert (opposite[end.role], end.tx_bytes, end.rx_bytes) in others[end.peer_key], end
    assert len(ends) % 2 == 0


def test_the_kernel_counted_the_same_bytes(truth: Truth) -> None:
    """TCP_INFO just before the close agrees with what the processes counted, but for the SYN of clients."""
    weighed = [end for end in truth.ends if end.kernel]
    for end in weighed:
        assert end.kernel is not None
        assert end.kernel.acked_bytes == end.tx_bytes + (end.role == Role.CLIENT), end
        assert end.kernel.received_bytes == end.rx_bytes, end
    assert Counter(end.kind for end in weighed) == {"long": 16, "bulk": 4, "lossy": 4}


def test_lost_segments_were_sent_again(truth: Truth) -> None:
    """Each sender to a receiver that drops segments retransmitted some."""
    senders = [end.kernel for end in truth.ends if end.kind == "lossy" and end.role == Role.CLIENT]
    assert [counters is not None and counters.retransmitted_segments > 0 for counters in senders] == [
        True
    ] * 2


def test_connects_failed_as_planned(truth: Truth) -> None:
    """Each kind of failed connect ended with the errno the kernel has for it, and moved nothing."""
    failed = Counter((end.kind, end.errno) for end in truth.ends if end.failed)
    assert failed == {
        ("refused", errno.ECONNREFUSED): 24,
        ("timeout", errno.ETIMEDOUT): 2,
        ("unreach", errno.EHOSTUNREACH): 2,
        ("unreach", errno.ENETUNREACH): 2,
        ("giveup", errno.ECANCELED): 4,
    }
    assert {(end.tx_bytes, end.rx_bytes, end.role) for end in truth.ends if end.failed} == {
        (0, 0, Role.CLIENT)
    }


def test_every_close_reason_happens(truth: Truth) -> None:
    """The traffic ends in every way of TCP that can be seen; no socket is left open. Of MPTCP the kernels choose the
    way."""
    reasons = {end.close_reason for end in truth.without_datagrams().ends if not end.mptcp_token}
    of_udp = {CloseReason.IDLE, CloseReason.RELEASED, CloseReason.MOVED}
    assert reasons == {*CloseReason} - {CloseReason.OPEN, CloseReason.UNSEEN} - of_udp
    assert all(end.closed_at_ns >= end.opened_at_ns for end in truth.ends)


def test_owners_are_many(truth: Truth) -> None:
    """Children that exit at once, workers and other users own what they opened or first moved bytes on."""
    owners = defaultdict(set)
    for end in truth.ends:
        owners[end.kind, end.role].add((end.pid, end.comm, end.uid))
    assert len(owners["exit", Role.CLIENT]) == len(owners["forked", Role.SERVER]) == 16
    assert {comm for _, comm, _ in owners["prefork", Role.SERVER]} == {"worker-0", "worker-1"}
    assert {uid for _, _, uid in owners["user", Role.SERVER]} == {0, 65534}


def test_adopted_sockets_have_a_baseline(truth: Truth) -> None:
    """All of them moved bytes before the start; a third of them is still during the run."""
    adopted = [end for end in truth.ends if end.adopted]
    assert all(end.baseline_tx_bytes and end.baseline_rx_bytes for end in adopted)
    for kind in ("adopted", "deserted"):
        moved = [bool(end.tx_bytes and end.rx_bytes) for end in adopted if end.kind == kind]
        assert Counter(moved) == {True: 24, False: 12}


def test_it_stays_on_its_own_ground(truth: Truth) -> None:
    """What it makes on the host is on the loopback, with one of its own ports; the rest is in namespaces."""
    on_host = [end for end in truth.ends if end.netns == truth.host_netns]
    assert {end.netns for end in truth.ends if end not in on_host} <= set(truth.namespaces)
    assert all({end.local_port, end.peer_port} & set(truth.ports) for end in on_host)
    assert {end.local_address[-4:] for end in on_host} == {b"\x7f\0\0\1", b"\0\0\0\1"}


def test_a_perfect_report_of_it_is_exact(truth: Truth) -> None:
    """Rows made from the truth itself, addresses used again included, compare as exact."""
    messages = [batch(row(end, slot), seq=slot) for slot, end in enumerate(truth.ends)]
    report = compare(truth, collect(messages), {})
    assert report.as_dict()["failures"] == []
    assert report.exact


def test_cleanup_ends_all_processes_and_namespaces() -> None:
    """After cleanup within the run no process and no namespace is left; a second cleanup does no harm."""
    traffic = Traffic(QUICK)
    traffic.prepare()
    processes = traffic.processes
    made = namespaces(processes) - namespaces([os.getpid()])
    assert len(made) == 2
    traffic.cleanup()
    traffic.cleanup()
    assert [process for process in processes if Path(f"/proc/{process}").exists()] == []
    assert namespaces([]) & made == set()


def test_a_killed_generator_takes_its_processes_along() -> None:
    """SIGKILL of the generator ends every process it forked, and the caller is told."""
    traffic = Traffic(QUICK)
    traffic.prepare()
    processes = traffic.processes
    made = namespaces(processes) - namespaces([os.getpid()])
    descriptors = [os.pidfd_open(process) for process in processes]
    os.kill(processes[0], signal.SIGKILL)
    assert await_end(descriptors) == 0
    with pytest.raises(TrafficError, match="died while it should run"):
        traffic.run()
    traffic.cleanup()
    assert namespaces([]) & made == set()


def test_a_killed_caller_takes_the_generator_along() -> None:
    """SIGKILL of the program that asked for the traffic, in the middle of it, ends all of it."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    ) as parent:
        assert parent.stdout is not None
        processes = [int(word) for word in parent.stdout.readline().split()]
        made = namespaces(processes) - namespaces([os.getpid()])
        descriptors = [os.pidfd_open(process) for process in processes]
        parent.kill()
    assert len(descriptors) > 100
    assert await_end(descriptors) == 0
    assert namespaces([]) & made == set()
