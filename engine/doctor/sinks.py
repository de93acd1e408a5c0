"""Each configured sink: whether rows would arrive, as far as it can say so."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from model.errors import TailraceError, one_line
from model.sink import check_of, paths_of
from probes.checks.check import Check
from sinks.configured import ConfiguredSink
from sinks.sink_thread import SinkThread

#: Seconds that a sink has to answer, and to let go.
SECONDS: Final = 8.0
_CLOSE_SECONDS: Final = 2.0


async def check_sinks(sinks: Mapping[str, ConfiguredSink], seconds: float = SECONDS) -> list[Check]:
    """All of them, side by side; none is opened.

    :param seconds: that each has to answer.
    """
    with _quiet():
        return list(await asyncio.gather(*(_check(name, each, seconds) for name, each in sinks.items())))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what libraries log of what the checks say, unless everything is wanted."""
    before = logging.root.manager.disable
    if not logging.root.isEnabledFor(logging.DEBUG):
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


async def _check(name: str, configured: ConfiguredSink, seconds: float) -> Check:
    """In a thread of its own: a sink that blocks holds up nobody."""
    title, ask = f"sink {name}", check_of(configured.sink)
    if ask is None:
        files = ", ".join(map(str, paths_of(configured.sink)))
        return Check(title, "ok", f"writes to {files}: see disk" if files else "not asked: it has no check")
    thread = SinkThread(name)
    thread.start()
    try:
        async with asyncio.timeout(seconds):
            return Check(title, "ok", await thread.call(lambda: _answer(configured)))
    except TimeoutError:
        return _failed(title, f"no answer within {seconds:g} s", "start the server, or correct the address")
    except TailraceError as error:
        return _failed(title, error.what, error.remedy)
    except Exception as error:  # noqa: BLE001 - of a plug-in: whatever it raises is its answer
        return _failed(title, one_line(error), f"report it to the author of {configured.title or name}")
    finally:
        await thread.stop(_CLOSE_SECONDS)


async def _answer(configured: ConfiguredSink) -> str:
    ask = check_of(configured.sink)
    assert ask is not None
    try:
        return await ask(configured.kinds)
    finally:
        await configured.sink.close()


def _failed(title: str, what: str, remedy: str) -> Check:
    return Check(title, "missing", what, "its rows do not arrive", remedy, required=True)
