"""The one guest of a test run.

It takes half an hour of one processor, and its tests come last. It starts when the tests of the kernel are over, with
the first contract (or test of the package, or unit test), and works beside what follows, behind all others for the
processor.
With ``GUEST_BESIDE=1`` it starts with the first of all tests: two processors are too few for that, where tests of
several Tailraces at once come late.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.vm.machine import ALONE, BESIDE_OTHERS, Machine, Run, booted, reason_to_skip
from tests.vm.suite import GUEST_TESTS

_FOLDER: Final = Path(__file__).parent
_machine = pytest.StashKey[Machine]()


def _wants_guest(item: pytest.Item) -> bool:
    return "guest" in getattr(item, "fixturenames", ())


def _beside_others(session: pytest.Session) -> bool:
    return any(item.path.parent != _FOLDER for item in session.items)


def start_beside(request: pytest.FixtureRequest) -> None:
    """Boots the machine now if any test wants it, and one can be booted."""
    if any(map(_wants_guest, request.session.items)) and not reason_to_skip():
        request.getfixturevalue("machine")


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The one boot, with those tests of the suite that are to run there."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = {call.params.get("argument") for call in calls if call}
    arguments = [one for one in GUEST_TESTS if one in wanted] or GUEST_TESTS[:1]
    pace = BESIDE_OTHERS if _beside_others(request.session) else ALONE
    with booted(tmp_path_factory.mktemp("vm"), arguments, pace) as machine:
        request.config.stash[_machine] = machine
        yield machine


@pytest.fixture(scope="session", autouse=True)
def _started_with_the_first_test(request: pytest.FixtureRequest) -> None:
    if os.environ.get("GUEST_BESIDE") == "1":
        start_beside(request)


@pytest.fixture(scope="session")
def guest(machine: Machine) -> Run:
    """What came of the guest, at its end."""
    return machine.run()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says on one line where the guest's output is, and how long other tests' end waited for it."""
    machine = config.stash.get(_machine, None)
    if machine is None:
        return
    waited = machine.waited_seconds
    end = "was not waited for" if waited is None else f"was waited for {waited:.0f} s"
    terminalreporter.write_line(f"the guest of tests/vm {end}; its output: {machine.results / 'output'}")
