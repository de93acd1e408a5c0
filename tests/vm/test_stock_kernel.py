"""A Debian stock kernel, with kprobes and modules, gives what the tests of the kernel expect."""

from pathlib import Path

import pytest

from tests.vm.machine import ALONE, BESIDE_OTHERS, ROOT, Run, reason_to_skip
from tests.vm.results import results_of
from tests.vm.suite import GUEST_TESTS

pytestmark = [
    pytest.mark.skipif(bool(reason_to_skip()), reason=f"no virtual machine: {reason_to_skip()}"),
    pytest.mark.timeout(max(ALONE.machine_seconds, BESIDE_OTHERS.machine_seconds) + 60),
]


def test_the_machine_ran_another_kernel(guest: Run) -> None:
    """The guest came up with a kernel of the distribution, and wrote its report."""
    assert guest.kernel.endswith("-amd64"), guest.output
    assert guest.results, guest.output


@pytest.mark.parametrize("argument", GUEST_TESTS)
def test_in_the_guest(guest: Run, argument: str) -> None:
    """Each test of the suite ran in the guest and passed there: none was skipped."""
    results = results_of(argument, guest.results)
    assert results, f"{argument} did not run\n{guest.output}"
    bad = [
        f"{result.node} {result.outcome}: {result.detail}" for result in results if result.outcome != "passed"
    ]
    if bad:
        pytest.fail("\n".join(bad), pytrace=False)


def test_the_suite_names_what_is_there() -> None:
    """No entry of the list stands for a file that is gone."""
    files = {argument.split("::")[0] for argument in GUEST_TESTS}
    assert [file for file in files if not Path(ROOT, file).exists()] == []
