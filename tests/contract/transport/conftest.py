"""A site for each test, on each transport."""

from collections.abc import Iterator

import pytest

from tests.contract.transport.cases import CASES, TransportCase
from tests.contract.transport.site import Site


@pytest.fixture(params=CASES, ids=lambda case: case.scheme)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A fresh log on the transport."""
    case: TransportCase = request.param
    log = f"test-{request.node.originalname.replace('_', '-')}"
    yield Site(case, log)
    case.forget(log)
