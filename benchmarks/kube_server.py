"""``python -m benchmarks.kube_server PORT``: an API server with 10,000 pods; USR1 begins their changes."""

import asyncio
import signal
import sys
import time
from typing import Final

from tests.integration.kubernetes.api import KubeApi
from tests.integration.kubernetes.cluster import Cluster

CLUSTER: Final = Cluster()
#: Pod changes, per second and in seconds.
RATE: Final = 1000
SECONDS: Final = 10
#: Changes that are made at once.
_AT_ONCE: Final = 10
#: A change is seen by this label: it holds the time at which it was made, wall clock, nanoseconds.
LABEL: Final = "app.kubernetes.io/version"


async def serve(port: int) -> None:
    """Until it is ended."""
    api = KubeApi(bookmark_seconds=1)
    api.port = port
    api.put(*CLUSTER.objects())
    begin = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, begin.set)
    await api.up()
    while True:
        await begin.wait()
        begin.clear()
        await change(api)


async def change(api: KubeApi) -> None:
    """Pods in turn, at the rate; objects are made before they are needed, but for the label."""
    pods = [pod.json() for pod in CLUSTER.sketches[: RATE * 2]]
    begun = time.monotonic()
    for number in range(0, RATE * SECONDS, _AT_ONCE):
        await asyncio.sleep(begun + number / RATE - time.monotonic())
        some = [pods[(number + place) % len(pods)] for place in range(_AT_ONCE)]
        for pod in some:
            pod["metadata"]["labels"][LABEL] = str(time.time_ns())
        api.put(*some)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
