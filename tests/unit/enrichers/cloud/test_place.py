"""Where a machine is, as each cloud says it."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from enrichers.cloud.config import CloudConfig
from enrichers.cloud.metadata import CLOUDS, ask
from enrichers.cloud.place import CloudPlace
from model.enricher import Entity, KeyKind
from tests.eventually import eventually
from tests.unit.enrichers.cloud.metadata_server import metadata_service

SAID = {
    "aws": {
        "cloud.provider": "aws",
        "cloud.platform": "aws_ec2",
        "cloud.account.id": "123456789012",
        "cloud.region": "us-west-2",
        "cloud.availability_zone": "us-west-2b",
        "host.id": "i-1234567890abcdef0",
        "host.type": "t2.micro",
        "host.image.id": "ami-5fb8c835",
    },
    "gcp": {
        "cloud.provider": "gcp",
        "cloud.platform": "gcp_compute_engine",
        "cloud.account.id": "1234567890",
        "cloud.region": "europe-west1",
        "cloud.availability_zone": "europe-west1-b",
        "host.id": "4520031799277581759",
        "host.type": "e2-medium",
        "host.name": "example-instance",
    },
    "azure": {
        "cloud.provider": "azure",
        "cloud.platform": "azure_vm",
        "cloud.account.id": "8d10da13-8125-4ba9-a717-bf7490507b3d",
        "cloud.region": "westus2",
        "cloud.availability_zone": "westus2-2",
        "host.id": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
        "host.type": "Standard_A3",
        "host.name": "examplevmname",
    },
}


@pytest.fixture
def silent() -> Iterator[str]:
    """A service that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def learnt(place: CloudPlace) -> Entity:
    """What it says once it was told."""
    await place.start("n1")
    await eventually(lambda: place.version)
    await place.close()
    return place.lookup(KeyKind.NODE, "n1", 0) or {}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_each_cloud_says_where_the_machine_is(cloud: Any) -> None:
    """Provider, region, zone, machine and its type, from the documented answer to the documented question."""
    with metadata_service(cloud) as service:
        assert await learnt(CloudPlace(CloudConfig(cloud), url=service.url)) == SAID[cloud]


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_the_cloud_is_found(cloud: str) -> None:
    """Asked all at once, the one that is there answers."""
    with metadata_service(cloud) as service:
        assert await learnt(CloudPlace(CloudConfig("auto"), url=service.url)) == SAID[cloud]


async def test_the_configuration_goes_before_the_cloud() -> None:
    """What is configured is not overruled; an empty setting is none."""
    with metadata_service("aws") as service:
        found = await learnt(CloudPlace(CloudConfig("aws", zone="rack-7", region=""), url=service.url))
    assert (found["cloud.availability_zone"], found["cloud.region"]) == ("rack-7", "us-west-2")


async def test_nobody_is_asked_unless_it_is_wished() -> None:
    """Off sends nothing; what is configured is said from the start."""
    with metadata_service(*CLOUDS) as service:
        place = CloudPlace(CloudConfig(region="home"), url=service.url)
        await place.start("n1")
        await place.close()
        assert service.asked == []
    assert place.lookup(KeyKind.NODE, "n1", 0) == place.attributes == {"cloud.region": "home"}
    assert place.statistics().age_seconds == 0


async def test_a_zone_that_a_region_lacks_is_left_out() -> None:
    """Azure's regions without zones say an empty one."""
    with metadata_service("azure") as service:
        (path,) = service.answers
        header, said = service.answers[path]
        service.answers[path] = (header, said | {"zone": ""})
        assert "cloud.availability_zone" not in await ask(["azure"], 2, service.url)


async def test_silence_takes_no_longer_than_allowed(silent: str) -> None:
    """A service that never answers is given up."""
    async with asyncio.timeout(60):
        assert await ask(list(CLOUDS), 0.2, silent) == {}


@pytest.mark.parametrize("said", ["no JSON", ["a", "list"], {}, {"zone": 7, "id": 1}, "x" * 300_000])
async def test_an_odd_answer_is_none(said: object) -> None:
    """Whatever is said at that address by something else is left aside."""
    with metadata_service(*CLOUDS) as service:
        service.answers = {path: (header, said) for path, (header, _) in service.answers.items()}
        assert await ask(list(CLOUDS), 2, service.url) == {}


def test_each_cloud_can_be_configured() -> None:
    """Those that are asked are those that the configuration takes."""
    assert get_args(get_type_hints(CloudConfig)["source"]) == ("off", "auto", *CLOUDS)
