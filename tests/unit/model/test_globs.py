"""Patterns that ``fnmatch`` takes, though they match nothing, or not what was meant."""

from fnmatch import fnmatchcase

import pytest

from model.globs import check_glob, check_globs


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("", ""),
        ("web*", "web1"),
        ("w?b", "web"),
        ("[a-z]*", "web"),
        ("[!0-9]", "w"),
        ("[]]", "]"),
        ("[!]]", "["),
        ("[]-]", "-"),
        ("[-a]", "-"),
        ("[a-]", "-"),
        ("[[]", "["),
        ("a[b]c[d]", "abcd"),
        ("]", "]"),
        ("[a-a]", "a"),
    ],
)
def test_patterns_are_taken(pattern: str, matched: str) -> None:
    """Whatever a shell knows, signs in odd places too: each matches something."""
    check_glob(pattern)
    assert fnmatchcase(matched, pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        *((pattern, "its [ is not closed") for pattern in ("[", "web[", "[!", "[]", "[!]", "[a][b")),
        *((pattern, "z-a runs backward") for pattern in ("[z-a]", "web[!z-a]*", "[0-9z-a]")),
    ],
)
def test_what_is_none_is_refused(pattern: str, said: str) -> None:
    """With the pattern and what is wrong in it."""
    with pytest.raises(ValueError, match=r"is no pattern") as error:
        check_glob(pattern)
    assert repr(pattern) in str(error.value)
    assert said in str(error.value)


def test_of_several_the_place_is_said() -> None:
    """As errors of the configuration say it."""
    with pytest.raises(ValueError, match=r"^labels\[1\]: '\[' is no pattern"):
        check_globs("labels", ["a*", "["])
