"""Which alternatives are compiled: a spare one only where none before it can be had."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.probe import Feature, Hook
from probes.kernel.headers import Headers, knows_lengths, write_tree
from probes.sources import spare_programs

SHARED = Hook("shared", kind="on_request")
BEST = Hook("best", "sock_recv_length", needs="lengths", others=(SHARED,))
SPARE = Hook("fexit__tcp_recvmsg", "tcp_recvmsg", "fexit", spare=True, others=(SHARED,))
FEATURE = Feature("reads", "what is read", (BEST, SPARE))


def test_a_spare_is_left_out_where_a_better_one_can_be_had() -> None:
    """With the name of that; what both of them need stays."""
    assert spare_programs([FEATURE], {}) == {
        "fexit__tcp_recvmsg": "not compiled: tracepoint sock_recv_length is there"
    }


def test_a_spare_is_compiled_where_nothing_else_can_be_had_or_it_was_chosen() -> None:
    """The better one lacks a type, or the configuration names the spare."""
    assert spare_programs([FEATURE], {"best": "the kernel has no such tracepoint"}) == {}
    assert spare_programs([replace(FEATURE, alternatives=(SPARE,))], {}) == {}


@pytest.mark.parametrize("there", [True, False])
def test_the_kernels_types_tell_of_tracepoints_behind_reads_and_writes(there: bool, tmp_path: Path) -> None:
    """BTF has one for each tracepoint."""
    types = "typedef void (*btf_trace_sock_recv_length)(void *, struct sock *, int, int);\n" if there else ""
    write_tree(tmp_path, types, "6.1.76")
    assert knows_lengths(Headers("btf", tmp_path)) is there
