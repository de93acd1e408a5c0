"""Settings of plug-ins, and what is secret in them."""

from typing import Annotated

import pytest

from model.settings import PluginConfig, Secret, UrlSecret, hidden, secrets_in


class Section(PluginConfig, frozen=True):
    """A part of the settings."""

    key: Annotated[str, Secret()] = ""


class Config(PluginConfig, frozen=True):
    """What a plug-in may have."""

    token: Annotated[str, Secret()]
    headers: Annotated[dict[str, list[str]], Secret()] = {}  # noqa: RUF012 - msgspec copies it
    url: Annotated[str, UrlSecret("password", "token")] = ""
    section: Section = Section()
    rows: int = 7


def test_secrets_do_not_show() -> None:
    """In ``repr`` as in ``str``, also those in sections; what is not secret does."""
    config = Config("t0ken", {"a": ["h1", "h2"]}, "https://u:pw@host/x?token=q&n=1", Section("k3y"))
    expected = (
        "Config(token='***', headers={'a': ['***', '***']}, url='https://u:***@host/x?token=***&n=1', "
        "section=Section(key='***'), rows=7)"
    )
    assert (repr(config), f"{config}") == (expected, expected)


def test_secrets_are_found_before_settings_are_checked() -> None:
    """In settings as they were written, wrong ones and unknown ones among them."""
    settings = {
        "token": 4711,
        "headers": {"a": ["h1"], "b": "h2"},
        "url": "https://u:pw@host",
        "section": {"key": "k3y", "more": "open"},
        "rows": "open",
        "unknown": "open",
    }
    assert sorted(secrets_in(Config, settings)) == ["4711", "h1", "h2", "k3y", "pw"]


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("nats://localhost:4222", []),
        ("nats://user@localhost:4222/log?partitions=8", []),
        ("https://host/a@b:c@d", []),
        ("nats://user:pw@host", ["pw"]),
        ("nats://:pw@host", ["pw"]),
        ("nats://a:one@host;nats://b:two@other", ["one", "two"]),
        ("nats://u:p%40w@host", ["p%40w", "p@w"]),
        ("nats://u:p@w@host", ["p@w"]),
        ("u:pw@host", ["pw"]),
        ("http://host/?a=1&password=pw#token=no", ["pw"]),
        ("http://u:one@host/?token=two;nats://c:three@d", ["one", "three", "two"]),
    ],
)
def test_secrets_in_urls(url: str, secrets: list[str]) -> None:
    """Passwords and values of the keys named, as they are written and as they are meant."""
    assert sorted(UrlSecret("password", "token").parts(url)) == secrets


def test_the_longest_secret_is_hidden_first() -> None:
    """One that is part of another leaves nothing of it."""
    assert hidden("a secret-secret b", ["secret", "secret-secret", ""]) == "a *** b"
