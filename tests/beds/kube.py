"""The tests' own API server in a thread of its own: for beds, whose tests block."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from tests.integration.kubernetes.api import KubeApi, kubeconfig
from tests.integration.kubernetes.objects import Json

_DEADLINE_SECONDS: Final = 60.0


class Api:
    """A server that is up; each change is made when its method returns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: KubeApi) -> None:
        self._loop = loop
        self._server = server

    @classmethod
    @contextlib.contextmanager
    def started(cls) -> Iterator["Api"]:
        """Up, and gone after the block."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        api = cls(loop, KubeApi())
        try:
            api._wait(api._server.up())
            yield api
        finally:
            api._wait(api._server.down())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_SECONDS)

    def put(self, *objects: Json) -> None:
        """Objects that are new or changed."""

        async def put() -> None:
            self._server.put(*objects)

        self._wait(put())

    def delete(self, one: Json) -> None:
        """An object is gone; ``one`` is how it was at its end."""

        async def delete() -> None:
            self._server.delete(one)

        self._wait(delete())

    def environment(self, folder: Path) -> dict[str, str]:
        """Settings of a Tailrace that asks it; its kubeconfig is in the folder."""
        return {"TAILRACE_KUBERNETES_KUBECONFIG": str(kubeconfig(folder, self._server.url))}
