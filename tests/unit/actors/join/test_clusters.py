"""Names of clusters, as Istio's proxies call each other by them."""

import pytest

from actors.join.passed_on import cluster_of


@pytest.mark.parametrize(
    ("called", "cluster"),
    [
        (
            "outbound_.9080_.v1_.reviews.shop.svc.cluster.local",
            "outbound|9080|v1|reviews.shop.svc.cluster.local",
        ),
        ("outbound_.80_._.cart.shop.svc.cluster.local", "outbound|80||cart.shop.svc.cluster.local"),
        ("cart.shop.svc.cluster.local", ""),
        ("other_.80_._.cart", ""),
        ("outbound_.80_.cart", ""),
        ("", ""),
    ],
)
def test_a_cluster_is_known_by_the_name_in_the_handshake(called: str, cluster: str) -> None:
    """Other names say nothing of clusters."""
    assert cluster_of(called) == cluster
