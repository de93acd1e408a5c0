"""The ``nats://`` URL: what it sets, what it refuses, and that it keeps secrets."""

from pathlib import Path

import faust
import pytest
from yarl import URL

from engine.nats.connection import NatsConnection
from engine.nats.settings import LogSettings, settings_of
from engine.transport.nats.transport import NatsTransport
from model.errors import UsageError
from model.subjects import LogNames, TopicPartition


def test_any_faust_app_finds_the_transport_by_its_scheme(tmp_path: Path) -> None:
    """``nats://`` as broker of a plain Faust app is this transport, through its entry point."""
    app = faust.App("plain", broker="nats://localhost", datadir=str(tmp_path))
    assert type(app.transport) is NatsTransport


def test_a_plain_url_has_the_defaults() -> None:
    """Without a query everything has its default, and the port is NATS's own."""
    assert settings_of([URL("nats://db1")]) == (LogSettings(), NatsConnection(servers=("db1:4222",)))


def test_every_setting_can_be_given() -> None:
    """The path names the log, the query sets the rest, and further URLs are further servers."""
    urls = [
        URL("nats://a:1/flows?partitions=8&lease_seconds=2.5&replicas=3&storage=memory&max_messages=7"),
        URL("nats://[::1]"),
    ]
    urls[0] = urls[0].update_query("max_bytes=9&max_age_seconds=60&window_bytes=1000")
    settings, connection = settings_of(urls)
    assert settings == LogSettings("flows", 8, 2.5, 3, "memory", 7, 9, 60.0, 1000)
    assert connection.servers == ("a:1", "[::1]:4222")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("lease=1", "unknown key lease: use credentials or lease_seconds or"),
        ("lease_seconds=0.1", "lease_seconds is '0.1': give seconds, at least 0.5"),
        ("replicas=0", "positive integer"),
        ("storage=disk", "give file or memory"),
        ("window_bytes=70000000", "at most 67108864"),
        ("password=s3cret", "a password without a user: give user"),
        ("token=s3cret&user=u", "user and token at once: give one"),
        ("tls_key=/none", "tls_key without tls_cert"),
        ("tls_ca=/none", "tls_ca: there is no file /none"),
    ],
)
def test_a_wrong_url_is_refused(query: str, complaint: str) -> None:
    """An unknown key or a wrong value raises, says what to write instead, and repeats no secret."""
    with pytest.raises(UsageError, match=complaint) as caught:
        settings_of([URL(f"nats://a/?{query}")])
    assert "s3cret" not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    """Password and token, from wherever they come, are not shown."""
    by_name = settings_of([URL("nats://me:s3cret@a")])[1]
    by_query = settings_of([URL("nats://a?token=s3cret")])[1]
    assert (by_name.user, by_name.password, by_query.token) == ("me", "s3cret", "s3cret")
    assert "s3cret" not in repr((by_name, by_query)) + str(by_name) + str(by_query)


def test_names_of_different_things_differ() -> None:
    """Whatever a topic is called, its stream and subject are names that NATS takes, and nobody else's."""
    tps = [TopicPartition(topic, 0) for topic in ("a", "a.b", "a_b", "a b", "a>", "ä", "*")]
    for make in (LogNames("log").stream, LogNames("log").subject, LogNames("log_a").stream):
        names = [make(tp) for tp in tps]
        assert len(set(names)) == len(tps)
        assert all(name.isascii() and not set(name) & set(" *>") for name in names)
    assert LogNames("log").stream(TopicPartition("a.b", 3)) == "log_a=2Eb_3"
    assert LogNames("log").subject(TopicPartition("deltas", 3)) == "log.log.deltas.3"
