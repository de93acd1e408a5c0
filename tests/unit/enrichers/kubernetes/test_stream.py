"""Lines of a watch, answers that refuse, images: what is read from text."""

import json
import time
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrichers.kubernetes.entity import split_image
from enrichers.kubernetes.failures import Expired, Failure, Forbidden, Unauthorized, retry_after, status_of
from enrichers.kubernetes.pace import Pace, Pauses
from enrichers.kubernetes.resources import PODS, resources
from enrichers.kubernetes.stream import LONGEST_LINE, EventStream

RESOURCE = next(one for one in resources(None) if one.plural == PODS)


def line(kind: str, one: object) -> bytes:
    """One event."""
    return json.dumps({"type": kind, "object": one}, ensure_ascii=False).encode() + b"\n"


@given(st.lists(st.integers(0, 400)))
def test_events_come_whole_however_they_are_cut(cuts: list[int]) -> None:
    """Chunks end anywhere, also within a character."""
    names = ["a", "größe☃", "c"]
    data = b"".join(
        line("ADDED", {"metadata": {"uid": name, "name": name}, "status": {"phase": "Running"}})
        for name in names
    )
    stream, found, places = EventStream(RESOURCE), [], sorted({0, len(data), *cuts})
    for first, last in pairwise(places):
        found += [event.object.metadata.name for event in stream.feed(data[first:last])]
    assert found == names


@pytest.mark.parametrize(
    ("code", "kind"),
    [(410, Expired), (504, Expired), (400, Expired), (500, Failure), (403, Forbidden), (401, Unauthorized)],
)
def test_an_error_ends_the_stream(code: int, kind: type[Failure]) -> None:
    """What came before it is taken; what the error means follows from its code."""
    status = {"kind": "Status", "status": "Failure", "message": "no", "reason": "Why", "code": code}
    stream = EventStream(RESOURCE)
    events = stream.feed(line("ADDED", {"metadata": {"uid": "a"}}) + line("ERROR", status))
    assert next(events).object.metadata.uid == "a"
    with pytest.raises(kind) as error:
        next(events)
    assert type(error.value) is kind


@pytest.mark.parametrize(
    "data", [b"<html>\n", b'{"type":"ADDED","object":{"metadata":7}}\n', b"[]\n", b"null\n"]
)
def test_what_is_no_event_is_a_failure(data: bytes) -> None:
    """A proxy's page, or a shape that is not the API's, is named and ends the watch."""
    with pytest.raises(Failure, match="pods"):
        list(EventStream(RESOURCE).feed(data))


def test_a_line_without_end_is_given_up() -> None:
    """Memory for one event is bounded."""
    with pytest.raises(Failure, match="longer than"):
        EventStream(RESOURCE).feed(b"x" * (LONGEST_LINE + 1))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", ("nginx", "")),
        ("nginx:1.27", ("nginx", "1.27")),
        ("registry.example:5000/a/b", ("registry.example:5000/a/b", "")),
        ("registry.example:5000/a/b:v1@sha256:00", ("registry.example:5000/a/b", "v1")),
        ("a/b@sha256:00", ("a/b", "")),
        ("", ("", "")),
    ],
)
def test_images_are_split(image: str, expected: tuple[str, str]) -> None:
    """A port is no tag, a digest is neither name nor tag."""
    assert split_image(image) == expected


def test_retry_after_is_seconds_or_a_date() -> None:
    """RFC 9110 allows both; nonsense counts as absent; an hour is too long."""
    assert [retry_after(text) for text in ("7", "3600", "soon", "-1", None)] == [7, 300, 0, 0, 0]
    assert 8 < retry_after(formatdate(time.time() + 10, usegmt=True)) <= 10


def test_a_body_that_is_no_status_still_tells() -> None:
    """The page of a proxy in front of the server is quoted."""
    assert status_of(502, b"bad gateway").message == "bad gateway"
    assert status_of(429, b'{"reason":"TooManyRequests","message":"wait","code":1}').code == 429


def test_pauses_grow_up_to_the_longest() -> None:
    """Each is between half and all of twice the one before; what the server asks for comes on top."""
    pauses = Pauses(Pace(first_pause=1, longest_pause=4))
    for longest in (1, 2, 4, 4):
        assert longest / 2 <= pauses.next() <= longest
    assert 12 <= pauses.next(10) <= 14
    pauses.reset()
    assert pauses.next() <= 1
