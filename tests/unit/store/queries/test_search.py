"""Search: what people type, and what they mean."""

from typing import Any

import pytest

from store.queries.similar import close_names, errors_within
from tests.unit.store.queries.fleets import BEGIN, MINUTE, data, two_minutes
from tests.unit.store.queries.rows_store import RowsStore


@pytest.fixture(scope="module")
def store() -> RowsStore:
    return two_minutes()


def first(store: RowsStore, words: str) -> dict[str, Any]:
    return dict(data(store, "search", q=words)["found"][0])


@pytest.mark.parametrize(
    ("words", "what", "value", "matched"),
    [
        ("checkout", "workload", "checkoutservice", "prefix"),
        ("checkoutservice", "workload", "checkoutservice", "exact"),
        ("CART", "workload", "cartservice", "prefix"),
        ("chekcout", "workload", "checkoutservice", "similar"),
        ("recomendation", "workload", "recommendationservice", "similar"),
        ("boutique/cart", "workload", "cartservice", "within"),
        ("v2.12a", "version", "v2.12a", "exact"),
        ("50051", "port", "50051", "exact"),
        ("n1", "node", "n1", "exact"),
        ("203.0.113.7", "workload", "203.0.113.7", "exact"),
        ("10.8.3.", "address", "10.8.3.0", "prefix"),
        ("smtp", "workload", "smtp.example.net", "prefix"),
        ("shop/redis", "image", "shop/redis-cart:v1", "prefix"),
    ],
)
def test_what_is_meant_comes_first(store: RowsStore, words: str, what: str, value: str, matched: str) -> None:
    found = first(store, words)
    assert (found["what"], found["value"], found["matched"]) == (what, value, matched)


def test_filter_words_narrow_a_search(store: RowsStore) -> None:
    assert first(store, "check zone:a")["workloads"] == 2
    assert data(store, "search", q="checkout zone:c")["found"] == []
    assert {found["value"] for found in data(store, "search", q="failed>0")["found"]} == {
        "frontend",
        "checkoutservice",
    }
    assert first(store, "service port:6379")["value"] in ("cartservice", "redis-cart")
    assert {found["value"] for found in data(store, "search", q="pod:redis-cart-*")["found"]} == {
        "redis-cart"
    }


def test_a_result_says_how_to_look_at_it_and_who_is_next_to_it(store: RowsStore) -> None:
    cart = first(store, "cartservice")
    assert (cart["key"], cart["q"]) == ("boutique/cartservice", "")
    assert cart["neighbours"] == 3  # frontend, checkoutservice, redis-cart
    pod = first(store, "cartservice-")
    assert pod["what"] == "pod"
    around = data(store, "map", q=pod["q"])
    assert "cartservice" in {node["name"] for node in around["nodes"]}


def test_what_is_gone_is_found_and_said_to_be_gone(store: RowsStore) -> None:
    gone = first(store, "adservice")
    assert gone["gone"]
    assert gone["last_s"] < BEGIN + MINUTE
    assert not first(store, "redis-cart")["gone"]


def test_errors_are_counted_as_letters_other_missing_too_many_or_exchanged() -> None:
    assert errors_within("cart", "my-cart-service", 1) == 0
    assert errors_within("crat", "cart", 1) == 1
    assert errors_within("caart", "cart", 1) == 1
    assert errors_within("crt", "cart", 1) == 1
    assert errors_within("postgres", "redis", 2) is None
    assert close_names("shp/cart", ["shop/cart", "shop/card", "db"], 2) == ["shop/cart", "shop/card"]
