"""The peer of the Kubernetes enricher: lists and watches with the models of kubernetes_asyncio, kept as they come."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

_VERSION_LABEL = "app.kubernetes.io/version"


class Models:
    """An object for everything, by uid, and pods by address: what an informer keeps."""

    def __init__(self, port: int) -> None:
        self._host = f"http://127.0.0.1:{port}"
        self._objects: dict[str, Any] = {}
        self._by_address: dict[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns when everything is listed."""
        from kubernetes_asyncio import client

        self._api = client.ApiClient(client.Configuration(host=self._host))
        lists = _lists(self._api)
        versions = await asyncio.gather(*(self._list(one) for one in lists))
        self._tasks = [
            asyncio.create_task(self._watch(one, version))
            for one, version in zip(lists, versions, strict=True)
        ]

    async def _list(self, ask: Callable[..., Awaitable[Any]]) -> str:
        token = None
        while True:
            page = await ask(limit=500, **({"_continue": token} if token else {}))
            for one in page.items:
                self._keep(one)
            token = page.metadata._continue
            if not token:
                version: str = page.metadata.resource_version
                return version

    def _keep(self, one: Any) -> None:
        self._objects[one.metadata.uid] = one
        address = getattr(one.status, "pod_ip", None) if hasattr(one, "status") else None
        if address:
            self._by_address[address] = one

    async def _watch(self, ask: Callable[..., Awaitable[Any]], version: str) -> None:
        from kubernetes_asyncio import watch

        async with watch.Watch() as stream:
            async for event in stream.stream(ask, resource_version=version, timeout_seconds=600):
                self._keep(event["object"])

    def version(self, address: str) -> str:
        """The version of the pod with this address."""
        pod = self._by_address.get(address)
        labels = pod.metadata.labels if pod else None
        version: str = (labels or {}).get(_VERSION_LABEL, "")
        return version

    async def close(self) -> None:
        """Ends."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._api.close()


def _lists(api: "ApiClient") -> list[Callable[..., Awaitable[Any]]]:
    from kubernetes_asyncio import client

    core = client.CoreV1Api(api)
    return [
        core.list_node,
        client.AppsV1Api(api).list_replica_set_for_all_namespaces,
        client.BatchV1Api(api).list_job_for_all_namespaces,
        core.list_service_for_all_namespaces,
        client.DiscoveryV1Api(api).list_endpoint_slice_for_all_namespaces,
        core.list_pod_for_all_namespaces,
    ]
