"""A site for each test, on each transport."""

from collections.abc import Iterator

import pytest

from tests.contract.transport.cases import CASES, TransportCase
from tests.contract.transport.site import Site
from tests.nats_server import remove_shared_server


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """Removes, at the end, the servers that cases started."""
    yield
    remove_shared_server()


@pytest.fixture(params=CASES, ids=lambda case: case.scheme)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A fresh log on the transport."""
    case: TransportCase = request.param
    if case.reason_to_skip:
        pytest.skip(case.reason_to_skip)
    log = f"test-{request.node.originalname.replace('_', '-')}"
    yield Site(case, log)
    case.forget(log)
