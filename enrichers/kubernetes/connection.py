"""The way to the API server: where it is, TLS and tokens, by the means of kubernetes_asyncio.

That package takes 0.7 s and 37 MB to import, most of it for models that are not used here: it is imported only by
``Connection.open``.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

import aiohttp

from enrichers.kubernetes import access
from enrichers.kubernetes.access import kubeconfig_files
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.failures import Failure, Unauthorized, failure_of, retry_after, status_of
from enrichers.kubernetes.resources import Resource
from model.errors import UsageError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.client.rest import RESTClientObject

log = logging.getLogger(__name__)

#: Bytes of an error's answer that are read.
_STATUS_BYTES: Final = 64 << 10


class Connection:
    """Requests to the API server of a configuration; usable after ``open``.

    :param connect_seconds: within which a connection must be made.
    """

    def __init__(self, config: KubernetesConfig, connect_seconds: float) -> None:
        self._config = config
        self._connect_seconds = connect_seconds
        self._configuration: Configuration | None = None
        self._client: RESTClientObject | None = None
        self._generation = 0
        self._renewing = asyncio.Lock()

    async def open(self) -> None:
        """Reads the configuration; nothing is sent.

        :raises UsageError: if it is not there or not understood.
        """
        await asyncio.to_thread(_import)
        await self._load()

    async def close(self) -> None:
        """Ends all requests."""
        if self._client is not None:
            await self._client.close()

    async def _load(self) -> None:
        from kubernetes_asyncio.client import Configuration
        from kubernetes_asyncio.client.rest import RESTClientObject
        from kubernetes_asyncio.config import ConfigException
        from yaml import YAMLError

        configuration = Configuration()
        try:
            await self._fill(configuration)
            client = RESTClientObject(configuration)
        except (
            ConfigException,
            YAMLError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            where = self._config.kubeconfig or "the Kubernetes configuration"
            raise UsageError(f"{where} cannot be used: {error}", "see docs/kubernetes.md") from error
        old, self._configuration, self._client = self._client, configuration, client
        self._generation += 1
        if old is not None:
            await old.close()

    async def _fill(self, configuration: "Configuration") -> None:
        from kubernetes_asyncio.config import load_kube_config
        from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader

        if access.in_cluster() and not self._config.kubeconfig:
            token, certificate = (str(access.SERVICE_ACCOUNT / name) for name in ("token", "ca.crt"))
            InClusterConfigLoader(token, certificate).load_and_set(configuration)
            return
        files = ":".join(map(str, kubeconfig_files(self._config)))
        await load_kube_config(files, self._config.context or None, configuration, persist_config=False)

    @contextlib.asynccontextmanager
    async def get(
        self, resource: Resource, query: Mapping[str, str], *, watching: bool, silence: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, whose body is still to be read.

        :param silence: seconds without a byte after which it counts as dead.
        :raises Failure: if there is none, or the server refuses.
        """
        generation = self._generation
        try:
            response = await self._send(resource, query, resource.accept(watching), silence)
            async with response:
                if response.status != 200:
                    raise await _refusal(response, resource)
                yield response
        except (
            aiohttp.ClientConnectorSSLError,
            aiohttp.ClientConnectorCertificateError,
            ssl.SSLError,
        ) as error:
            await self._renew(generation)
            raise Failure(f"no TLS with the API server: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Failure(f"the API server is away: {error or type(error).__name__}") from error
        except Unauthorized:
            await self._renew(generation)
            raise

    async def _send(
        self, resource: Resource, query: Mapping[str, str], accept: str, silence: float
    ) -> aiohttp.ClientResponse:
        assert self._configuration is not None
        assert self._client is not None
        headers = {"Accept": accept}
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token.strip()
        url = f"{self._configuration.host}{resource.path}"
        timeout = aiohttp.ClientTimeout(None, sock_connect=self._connect_seconds, sock_read=silence)
        response: aiohttp.ClientResponse = await self._client.GET(
            url, headers, dict(query), _preload_content=False, _request_timeout=timeout
        )
        return response

    async def _renew(self, generation: int) -> None:
        """Reads token and certificates again, once for all requests that failed with the old ones.

        Watches that go on with the old ones are cut and resume.
        """
        async with self._renewing:
            if generation != self._generation:
                return
            try:
                await self._load()
            except UsageError as error:
                log.warning("%s", error)


async def _refusal(response: aiohttp.ClientResponse, resource: Resource) -> Failure:
    body = await response.content.read(_STATUS_BYTES)
    wait = retry_after(response.headers.get("Retry-After"))
    return failure_of(status_of(response.status, body), resource, wait)


def _import() -> None:
    import kubernetes_asyncio.client
    import kubernetes_asyncio.config  # noqa: F401
