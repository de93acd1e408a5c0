"""Killed at each place on the way of a message: what a target is told then, and what it is not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.in_flight import AGAIN
from tests.http_server import HttpServer, Post, Reply

OPEN, UPDATE, RESOLVE = "open", "update", "resolve"
ALL = [OPEN, UPDATE, RESOLVE]


class Killed:
    """A receiver, and what is killed at one place and started again.

    :param batches: on disk, after which it is killed; of each message one is that it is offered, one that it is about
        to be sent (to targets without keys), one that it was.
    :param posts: after which the receiver kills it in place of an answer; 0: never.
    """

    def __init__(self, parent: "subprocess.Popen[str]", folder: Path) -> None:
        self._parent, self._folder = parent, folder
        self._posts, self._child = 0, 0
        self._hook = HttpServer(self._answer)

    def lives(self, kind: str, after_kill: str, batches: int = 0, posts: int = 0) -> list[str]:
        """Events that came, in their order; with ``?`` what says that it may have come before."""
        self._posts = posts
        with self._hook.running() as hook:
            address = hook.url
            if kind == "teams":
                (self._folder / "url").write_text(hook.url)
                address = str(self._folder / "url")
            words = f"{self._folder} {kind} {address} {after_kill}"
            assert self._run(f"{words} {batches}") == "-9"
            assert self._run(f"{words} 0") == "0"
        return [_event(post.body) for post in hook.posts]

    def _run(self, words: str) -> str:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(words, file=self._parent.stdin, flush=True)
        self._child = int(self._parent.stdout.readline().split()[1])
        return self._parent.stdout.readline().split()[1]

    def _answer(self, _: Post) -> Reply:
        if len(self._hook.posts) != self._posts:
            return Reply(200)
        os.kill(self._child, signal.SIGKILL)
        return Reply(0)


@pytest.fixture(scope="module")
def parent() -> Iterator["subprocess.Popen[str]"]:
    """What is killed is a child of it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "tests.unit.alerts.killed_at"]
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.stdin.close()


@pytest.fixture
def killed(parent: "subprocess.Popen[str]", tmp_path: Path) -> Killed:
    return Killed(parent, tmp_path)


def _event(body: bytes) -> str:
    said = json.loads(body)
    if "alert" in said:
        return str(said["alert"]["event"])
    texts = [block["text"] for block in said["attachments"][0]["content"]["body"]]
    event: str = texts[0].partition(":")[0].lower()
    return f"{event}?" if texts[-1] == AGAIN else event


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"batches": 1}, ALL),  # offered
        ({"batches": 2}, ["open?", UPDATE, RESOLVE]),  # about to be sent: nobody knows whether it came
        ({"posts": 1}, [OPEN, "open?", UPDATE, RESOLVE]),  # it came, and nobody heard of it
        ({"batches": 3}, ALL),  # it came
        ({"batches": 4}, ALL),
        ({"batches": 5}, [OPEN, RESOLVE]),  # a change is not told again
        ({"posts": 2}, ALL),
        ({"batches": 6}, ALL),
        ({"batches": 7}, ALL),
        ({"batches": 8}, [OPEN, UPDATE, "resolve?"]),
        ({"posts": 3}, [*ALL, "resolve?"]),
        ({"batches": 9}, ALL),
    ],
)
def test_a_target_without_keys_is_told_what_may_have_come_with_a_line_that_says_so(
    killed: Killed, place: dict[str, int], told: list[str]
) -> None:
    assert killed.lives("teams", "again", **place) == told


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"batches": 2}, [UPDATE, RESOLVE]),
        ({"posts": 1}, ALL),
        ({"batches": 8}, [OPEN, UPDATE]),
        ({"posts": 3}, ALL),
    ],
)
def test_with_skip_nothing_comes_twice(killed: Killed, place: dict[str, int], told: list[str]) -> None:
    assert killed.lives("teams", "skip", **place) == told


@pytest.mark.parametrize("posts", [1, 2, 3])
def test_a_target_with_keys_is_told_the_same_again(killed: Killed, posts: int) -> None:
    again = [event for number, event in enumerate(ALL, 1) for _ in range(2 if number == posts else 1)]
    assert killed.lives("webhook", "again", posts=posts) == again
