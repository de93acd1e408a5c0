"""Routes: few names for many paths, by rules and by what was seen."""

from actors.join.routes import Routes
from model.kinds.request import OTHER
from model.ledger import Stage


def routes(*rules: str, limit: int = 100, children: int = 5) -> tuple[Routes, Stage]:
    """New ones, and where they note what is beyond."""
    stage = Stage("rows")
    return Routes(rules, limit, children, stage), stage


def test_a_rule_names_what_fits_it() -> None:
    """The first that fits: a segment for each parameter, a last ``*`` for all that follow."""
    named, _ = routes("/users/{id}", "/files/*", "/users/*/orders")
    assert named.name("/users/anna") == "/users/{id}"
    assert named.name("/users/anna/orders") == "/users/*/orders"
    assert named.name("/files/a/b/c") == "/files/*"
    assert named.name("/userserver") == "/*"


def test_many_words_at_one_place_are_one() -> None:
    """But for the frequent ones; what lies below is put together."""
    named, stage = routes()
    named.learn(["/u/me/cart"], [1000])
    for word in "abcdefgh":
        named.learn([f"/u/{word}/cart", f"/u/{word}/list"], [1, 1])
    assert {named.name(f"/u/{word}/cart") for word in "abcdefghz"} == {"/u/*/cart"}
    assert named.name("/u/me/cart") == "/u/me/cart"
    assert stage.noted["places_folded"] == 1


def test_few_words_keep_their_names() -> None:
    """Also the empty one of a slash at the end."""
    named, _ = routes()
    paths = ["/", "/a", "/a/", "/a/b", "/c"]
    named.learn(paths, [1] * len(paths))
    assert [named.name(path) for path in paths] == paths


def test_what_is_beyond_the_limit_is_other_and_counted() -> None:
    """Memory is bounded however many paths there are."""
    named, stage = routes(limit=10, children=1000)
    for number in range(100):
        path = f"/{'x' * number}y"
        named.learn([path], [1])
        named.name(path)
    names = {named.name(f"/{'x' * number}y") for number in range(100)}
    assert OTHER in names
    assert len(names) == 11
    assert stage.noted["routes_beyond"] > 0
    assert stage.noted["paths_beyond"] == 61


def test_no_path_has_no_route() -> None:
    """And what the kernel did not keep apart stays so."""
    named, _ = routes()
    named.learn(["", OTHER], [1, 1])
    assert named.name("") == ""
    assert named.name(OTHER) == OTHER
