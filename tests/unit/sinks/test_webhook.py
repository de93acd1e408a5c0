"""The sink webhook: what a server gets, how it can be proved, and what becomes of rows that it does not take."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from model.batch import Batch
from model.kinds.flow import FLOW
from model.ledger import Ledger, Stage
from sinks.fan_out import FanOut
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from sinks.webhook import WebhookConfig, WebhookSink
from tailrace.testing import make_flows
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.http_server import HttpServer, Post, Reply

QUICK = Limits(QueueLimits(rows=2000), RetryLimits(0, 0.02, 0.1), BatchLimits(500, 0.02))


async def posted(
    *batches: Batch, answer: Callable[[Post], Reply] = lambda _: Reply(), **settings: Any
) -> list[Post]:
    """What a server got of these batches, flushed once."""
    with HttpServer(answer).running() as web:
        sink = WebhookSink(WebhookConfig(f"{web.url}/hook?token=s3cret", **settings), lambda: 1234.5)
        await sink.open([FLOW])
        for batch in batches:
            await sink.write(batch)
        await sink.flush()
        await sink.close()
        return web.posts


async def test_lines_or_one_document() -> None:
    """So many rows in each request, with the type of what it is."""
    batch = make_flows(250)
    posts = await posted(batch, rows=100)
    assert [len(post.body.splitlines()) for post in posts] == [100, 100, 50]
    assert {post.headers["Content-Type"] for post in posts} == {"application/x-ndjson"}
    rows = [json.loads(line) for post in posts for line in post.body.splitlines()]
    assert rows == list(batch.rows())
    (post,) = await posted(batch, format="json")
    assert post.headers["Content-Type"] == "application/json"
    assert json.loads(post.body)["rows"] == list(batch.rows())


@pytest.mark.parametrize("compress", [False, True])
async def test_a_request_proves_who_sent_it(compress: bool) -> None:
    """The signature is of the time and the body before compression; other bytes have another one."""
    (post,) = await posted(make_flows(3), secret="hunter2", gzip=compress)
    expected = hmac.new(b"hunter2", b"1234." + post.body, hashlib.sha256).hexdigest()
    assert post.headers["Tailrace-Signature"] == f"t=1234,v1={expected}"
    (unsigned,) = await posted(make_flows(3))
    assert "Tailrace-Signature" not in unsigned.headers


def test_secrets_stay_out_of_sight() -> None:
    """Of the secret, headers and the URL."""
    config = WebhookConfig(
        "https://a/b?token=s3cret", secret="hunter2", headers={"Authorization": "Bearer t0ken"}
    )
    assert not re.search("s3cret|hunter2|t0ken", repr(config))
    with pytest.raises(msgspec.ValidationError, match="write url as"):
        msgspec.convert({"url": "example.com"}, WebhookConfig)


def fan_out_to(url: str, **settings: Any) -> tuple[FanOut, Stage]:
    """What stands before a sink, and its ledger stage."""
    ledger = Ledger()
    sinks = {"webhook": WebhookSink(WebhookConfig(url, **settings))}
    return make_fan_out(sinks, ledger, QUICK, stage="flows"), ledger.stage("sink.webhook", "rows")


@pytest.mark.parametrize(
    ("status", "again"), [(503, True), (429, True), (0, True), (400, False), (413, False)]
)
async def test_rows_are_posted_again_where_that_makes_sense(status: int, again: bool) -> None:
    """Under the same id, without those that were taken; else they are lost under the reason."""
    failed: list[Post] = []

    def answer(post: Post) -> Reply:
        if len(failed) < 1 and b'"seq":1,' in post.body:
            failed.append(post)
            return Reply(status)
        return Reply()

    with HttpServer(answer).running() as web:
        fan_out, stage = fan_out_to(web.url)
        for seq in range(3):
            fan_out.offer(make_flows(100, seq=seq))
        async with fan_out:
            await fan_out.drained()
        ids = [post.headers["Tailrace-Id"] for post in web.posts]
    assert len(failed) == 1
    assert (len(ids), len(set(ids))) == ((4, 3) if again else (3, 3))
    assert stage.dropped == ({} if again else {"server_refused": 100})
    assert stage.delivered == 300 - (0 if again else 100)


async def test_a_server_that_goes_away_costs_nothing_within_the_bound() -> None:
    """What the queue has no room for is in the ledger; what comes back is there once."""
    with HttpServer(lambda _: Reply()).running() as first:
        port = int(first.url.rpartition(":")[2])
        fan_out, stage = fan_out_to(first.url)
        await fan_out.start()
        await fan_out.put(make_flows(100))
        await fan_out.drained()
    for seq in range(1, 41):
        fan_out.offer(make_flows(100, seq=seq))
    await eventually(lambda: fan_out.statistics()["webhook"].retries > 3)
    lost = stage.dropped["queue_full"]
    assert 4000 - 2000 - 500 <= lost <= 4000 - 2000
    with HttpServer(lambda _: Reply()).running(port) as second:
        await eventually(lambda: stage.queued == 0)
        await fan_out.stop()
    assert (stage.delivered, stage.dropped) == (4100 - lost, {"queue_full": lost})
    lines = [line for post in second.posts for line in post.body.splitlines()]
    assert len(lines) == len(set(lines)) == 4000 - lost


async def test_a_slow_server_is_waited_for() -> None:
    """An answer that comes after the time-out is asked for again, under the same id."""
    slow = [True]

    def answer(_: Post) -> Reply:
        if slow and slow.pop():
            asyncio.run(asyncio.sleep(1))
        return Reply()

    with HttpServer(answer).running() as web:
        fan_out, stage = fan_out_to(web.url, timeout=0.2)
        async with fan_out:
            await fan_out.put(make_flows(10))
            await fan_out.drained()
            assert fan_out.statistics()["webhook"].failures["server_slow"] >= 1
        assert len({post.headers["Tailrace-Id"] for post in web.posts}) == 1
    assert (stage.delivered, stage.dropped) == (10, {})
