"""Routes: few names for many paths, by rules and by what was seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from actors.join.routes import Learnt, RouteLimits, Routes, Service
from engine.learnt_routes import LearntRoutes
from model.kinds.request import OTHER
from model.ledger import Stage
from tests.unit.actors.join.made_paths import made_paths

SHOP = Service("shop/web")


class Named:
    """Routes, and where they note what is beyond."""

    def __init__(
        self,
        *rules: str,
        limit: int = 100,
        of_service: int = 100,
        children: int = 5,
        learnt: Learnt | None = None,
    ) -> None:
        self.stage, self.kept = Stage("rows"), list[Learnt]()
        limits = RouteLimits(limit, of_service, children)
        self.routes = Routes(rules, limits, self.stage, learnt, self.kept.append)

    def second(
        self, requests: Mapping[str, int], service: Service = SHOP, *, found: bool = True
    ) -> dict[str, str]:
        """The names of paths that were asked for in a second, so often."""
        counts = np.array([*requests.values()], np.int64)
        answered = counts if found else np.zeros_like(counts)
        names = self.routes.names([service] * len(requests), [*requests], counts, answered)
        return dict(zip(requests, names, strict=True))

    def names(self, *paths: str, service: Service = SHOP) -> list[str]:
        """Those of paths that nobody asks for just now."""
        return [*self.second(dict.fromkeys(paths, 0), service, found=False).values()]


def once(paths: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(paths, 1)


def test_a_rule_names_what_fits_it() -> None:
    """The first that fits: a segment for each parameter, a last ``*`` for all that follow."""
    named = Named("/users/{id}", "/files/*", "/users/*/orders")
    paths = ("/users/anna", "/users/anna/orders", "/files/a/b/c", "/userserver")
    assert [*named.second(once(paths)).values()] == [
        *("/users/{id}", "/users/*/orders", "/files/*", "/userserver"),
    ]


def test_many_words_at_one_place_are_one() -> None:
    """But for the frequent ones; what lies below is put together, and earlier paths are named so, too."""
    named = Named()
    assert named.second({"/u/me/cart": 1000, "/u/a/cart": 1}) == {
        "/u/me/cart": "/u/me/cart",
        "/u/a/cart": "/u/a/cart",
    }
    for word in "bcdefgh":
        named.second(once([f"/u/{word}/cart", f"/u/{word}/list"]))
    assert set(named.names(*(f"/u/{word}/cart" for word in "abcdefghz"))) == {"/u/*/cart"}
    assert named.names("/u/me/cart") == ["/u/me/cart"]
    assert named.stage.noted["places_folded"] == 1


def test_few_words_keep_their_names() -> None:
    """Also the empty one of a slash at the end."""
    paths = ["/", "/a", "/a/", "/a/b", "/c"]
    assert [*Named().second(once(paths)).values()] == paths


def test_services_learn_apart() -> None:
    """What is many at one is few at another; methods of gRPC are no paths, and stay as they are."""
    named = Named()
    words = [f"/{word}" for word in "abcdefgh"]
    assert set(named.second(once(words)).values()) == {"/*"}
    assert named.second(once(words[:3]), Service("shop/cart")) == {word: word for word in words[:3]}
    methods = [f"/shop.Cart/{word}" for word in "abcdefgh"]
    assert [*named.second(once(methods), Service("shop/web", verbatim=True)).values()] == methods


def test_paths_that_are_not_there_teach_nothing() -> None:
    """Somebody who tries a thousand paths makes one route of them, and folds none of the others."""
    named = Named()
    named.second({"/orders": 3, "/cart": 2})
    tried = named.second(once(f"/x{number}.php" for number in range(1000)), found=False)
    assert set(tried.values()) == {"/*"}
    assert named.second({"/orders": 1, "/cart": 1}) == {"/orders": "/orders", "/cart": "/cart"}
    assert named.stage.noted == {}


def test_what_is_beyond_the_limits_is_other_and_counted() -> None:
    """In all, and of each service; memory is bounded however many paths there are."""
    named = Named(limit=10, of_service=6, children=10_000)
    for service, routes in ((SHOP, 6), (Service("shop/cart"), 4), (Service("late"), 0)):
        found = named.second(once(f"/{'y' * number}" for number in range(1, 60)), service)
        names = Counter(found.values())
        assert names.pop(OTHER) == 59 - routes
        assert len(names) == routes
    assert named.stage.noted["routes_beyond"] > 0
    assert named.stage.noted["paths_beyond"] > 0


def test_paths_that_are_gone_make_room() -> None:
    """Those that are asked for stay known."""
    named = Named("/p/*", limit=10)
    for turn in range(20):
        found = named.second({"/stays": 1, **once(f"/p/{turn}-{number}" for number in range(40))})
        assert found["/stays"] == "/stays"
    assert named.stage.noted == {"paths_forgotten": 40 * 20 - 40}


def test_no_path_has_no_route() -> None:
    """And what the kernel did not keep apart stays so."""
    assert Named().second({"": 1, OTHER: 1}) == {"": "", OTHER: OTHER}


def test_what_was_learnt_outlives_a_restart(tmp_path: Path) -> None:
    """The very first request of a new start has the name that it had before."""
    named = Named()
    before = named.second({"/u/me": 100} | once(f"/u/{word}/cart" for word in "abcdefgh"))
    file = LearntRoutes(str(tmp_path / "lib" / "routes.json"))
    assert file.read() == {}
    file._write(named.kept[-1])
    again = Named(learnt=file.read())
    assert again.second(once(before)) == before
    assert again.names("/u/new/cart", "/other") == ["/u/*/cart", "/*"]
    assert again.second({"/other": 1}) == {"/other": "/other"}


def test_a_file_that_is_none_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """Routes are learnt anew."""
    (tmp_path / "routes.json").write_bytes(b'{"services": 7')
    assert LearntRoutes(str(tmp_path / "routes.json")).read() == {}


def test_tens_of_thousands_of_paths_of_known_routes() -> None:
    """Hardly a request stands in a row of another route, and few stand beside the row of their own.

    Of 40,000 requests with 15,000 paths of 59 routes; ids, dates and so on as the kernel folds them.
    """
    requests = made_paths(40_000)
    named = Named(limit=4096, of_service=512, children=50)
    for begin in range(0, len(requests), 1000):
        named.second(Counter(path for _, path in requests[begin : begin + 1000]))
    paths = sorted({path for _, path in requests})
    last = dict(zip(paths, named.names(*paths), strict=True))
    of_row, of_route = defaultdict[str, Counter[str]](Counter), defaultdict[str, Counter[str]](Counter)
    for route, path in requests:
        of_row[last[path]][route] += 1
        of_route[route][last[path]] += 1
    mixed, split = (
        sum(each.total() - max(each.values()) for each in of.values()) / len(requests)
        for of in (of_row, of_route)
    )
    assert mixed < 0.005
    assert split < 0.15
    assert len(of_row) <= 513
