"""What ``Config`` says of settings: types in words, defaults, and meanings from its docstring."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta

from engine.plugins.settings import checked, described, param_lines
from model.errors import UsageError
from model.settings import PluginConfig, Secret, UrlSecret


class Inner(PluginConfig, frozen=True):
    """A section.

    :param on: whether it is used.
    """

    on: bool = False


class Config(PluginConfig, frozen=True):
    """All that there may be.

    :param path: a file, whose name
        goes on here: ``x``.
    :param word: one of two.
    """

    path: str
    word: Literal["zebra", "ant"] = "ant"
    few: Annotated[int, Meta(ge=1, le=9000, description="How many.")] = 3
    many: Annotated[int, Meta(ge=1)] = 1
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    names: tuple[str, ...] = ("a",)
    lines: dict[str, int] | None = None
    inner: Inner = Inner()
    key: Annotated[str, Secret()] = "changeme"
    url: Annotated[str, UrlSecret()] = "http://u:pw@host"


def test_settings_are_described() -> None:
    """In order, sections by dotted names; nothing secret is in a default."""
    assert [
        (each.name, each.type, each.required, each.default, each.meaning) for each in described(Config)
    ] == [
        ("path", "text", True, None, "a file, whose name goes on here: ``x``."),
        ("word", "zebra | ant", False, "ant", "one of two."),
        ("few", "integer 1 to 9,000", False, 3, "How many."),
        ("many", "integer ≥ 1", False, 1, ""),
        ("share", "number > 0 and < 1", False, 0.5, ""),
        ("names", "list of text", False, ["a"], ""),
        ("lines", "map of text to integer or null", False, None, ""),
        ("inner.on", "true or false", False, False, "whether it is used."),
        ("key", "text, secret", False, "***", ""),
        ("url", "text, secret", False, "http://u:***@host", ""),
    ]


def test_param_lines_end_where_the_text_does() -> None:
    """Other fields and paragraphs are no part of a meaning."""
    text = "Head.\n\n:param a: one\n  two\n:param b: three\n:raises X: if\n  it is\n\nMore."
    assert param_lines(text) == {"a": "one two", "b": "three"}


@pytest.mark.parametrize(
    ("settings", "where", "complaint"),
    [
        ({}, "$", "x: Object missing required field `path`"),
        ({}, "$.sinks[2].settings", "x: Object missing required field `path` - at `$.sinks[2].settings`"),
        ({"path": 1, "few": 0}, "$.sinks[2].settings", "at `$.sinks[2].settings.path`"),
        ({"path": "p", "inner": {"on": "hunter2"}}, "$.e[0]", "at `$.e[0].inner.on`"),
        ({"path": "p", "key": ["hunter2"]}, "$", "Expected `str`, got `array` - at `$.key`"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(
    settings: dict[str, object], where: str, complaint: str
) -> None:
    """That of the configuration; the value is not repeated."""
    with pytest.raises(UsageError) as error:
        checked("x", Config, settings, where)
    assert complaint in str(error.value)
    assert "hunter2" not in str(error.value)
