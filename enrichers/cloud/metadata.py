"""Asks the metadata services of clouds who this machine is.

Sources: AWS, "Use the Instance Metadata Service" (IMDSv2: a token first) and "Instance identity documents"; Google,
"VM metadata"; Azure, "Instance Metadata Service". All are at one link-local address; none is asked through a proxy.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from model.tasks import end

SERVICE: Final = "http://169.254.169.254"
#: An answer longer than this is none of theirs.
ANSWER_BYTES: Final = 256 << 10
_FAILURES: Final = (ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError, AttributeError)

Attributes = dict[str, str]

log = logging.getLogger(__name__)


async def ask(clouds: Sequence[str], seconds: float, url: str = "") -> Attributes:
    """What the first of the clouds that answers says; empty if none does in that time. Never raises.

    :param url: where to ask instead of the clouds' own address.
    """
    async with ClientSession(timeout=ClientTimeout(total=seconds)) as session:
        asked = [asyncio.create_task(_ask_one(session, name, url or SERVICE)) for name in clouds]
        try:
            for answer in asyncio.as_completed(asked):
                if found := await answer:
                    return found
        finally:
            await end(*asked)
    return {}


async def _ask_one(session: ClientSession, name: str, url: str) -> Attributes:
    try:
        found = await CLOUDS[name](session, url)
    except _FAILURES as error:
        log.debug("no metadata of %s: %s", name, error)
        return {}
    return {attribute: str(value) for attribute, value in found.items() if value}


async def _aws(session: ClientSession, url: str) -> dict[str, Any]:
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = await _text(session, "PUT", f"{url}/latest/api/token", lifetime)
    proof = {"X-aws-ec2-metadata-token": token.decode("ascii")}
    document = await _json(session, f"{url}/latest/dynamic/instance-identity/document", proof)
    return {
        "cloud.provider": "aws",
        "cloud.platform": "aws_ec2",
        "cloud.account.id": document["accountId"],
        "cloud.region": document["region"],
        "cloud.availability_zone": document["availabilityZone"],
        "host.id": document["instanceId"],
        "host.type": document["instanceType"],
        "host.image.id": document.get("imageId", ""),
    }


async def _gcp(session: ClientSession, url: str) -> dict[str, Any]:
    flavor = {"Metadata-Flavor": "Google"}
    instance = await _json(session, f"{url}/computeMetadata/v1/instance/?recursive=true", flavor)
    _, project, _, zone = instance["zone"].split("/")  # projects/NUMBER/zones/ZONE
    return {
        "cloud.provider": "gcp",
        "cloud.platform": "gcp_compute_engine",
        "cloud.account.id": project,
        "cloud.region": zone.rpartition("-")[0],
        "cloud.availability_zone": zone,
        "host.id": instance["id"],
        "host.type": instance["machineType"].rpartition("/")[2],
        "host.name": instance.get("name", ""),
    }


async def _azure(session: ClientSession, url: str) -> dict[str, Any]:
    where = f"{url}/metadata/instance/compute?api-version=2021-02-01&format=json"
    compute = await _json(session, where, {"Metadata": "true"})
    region, zone = compute["location"], compute.get("zone", "")
    return {
        "cloud.provider": "azure",
        "cloud.platform": "azure_vm",
        "cloud.account.id": compute["subscriptionId"],
        "cloud.region": region,
        # as Kubernetes names zones there: a bare number says nothing outside of its region
        "cloud.availability_zone": f"{region}-{zone}" if zone else "",
        "host.id": compute["vmId"],
        "host.type": compute["vmSize"],
        "host.name": compute.get("name", ""),
    }


async def _json(session: ClientSession, url: str, headers: dict[str, str]) -> Any:
    return json.loads(await _text(session, "GET", url, headers))


async def _text(session: ClientSession, method: str, url: str, headers: dict[str, str]) -> bytes:
    """The body of an answer; a redirection is none.

    :raises ValueError: if it is too long.
    """
    async with session.request(method, url, headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise ValueError("an answer that does not end")
        return bytes(body)


#: Name → how it is asked.
CLOUDS: Final[dict[str, Callable[[ClientSession, str], Awaitable[dict[str, Any]]]]] = {
    "aws": _aws,
    "gcp": _gcp,
    "azure": _azure,
}
