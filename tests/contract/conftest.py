"""Contracts need little of the machine's time: the guest works beside them, if it does not yet."""

import pytest

from tests.vm.guest import start_beside


@pytest.fixture(scope="session", autouse=True)
def _guest_beside(request: pytest.FixtureRequest) -> None:
    start_beside(request)
