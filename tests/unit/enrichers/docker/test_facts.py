"""What Docker says of a container, as attributes."""

import pytest

from enrichers.docker.facts import (
    ContainerFacts,
    ImageFacts,
    attributes,
    from_event,
    from_inspect,
    from_list,
    split_reference,
    time_ns,
)

ID = "3f8a" * 16
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("nginx", ("nginx", "latest", "")),
        ("nginx:1.25", ("nginx", "1.25", "")),
        ("registry.example:5000/team/app", ("registry.example:5000/team/app", "latest", "")),
        ("registry.example:5000/team/app:v2", ("registry.example:5000/team/app", "v2", "")),
        (f"app@{DIGEST}", ("app", "", DIGEST)),
        (f"app:v2@{DIGEST}", ("app", "v2", DIGEST)),
        (DIGEST, ("", "", "")),
        ("3f8a3f8a3f8a", ("", "", "")),
        ("", ("", "", "")),
    ],
)
def test_an_image_reference_has_parts(reference: str, parts: tuple[str, str, str]) -> None:
    """Name, tag and digest, also behind a registry with a port; an id has no name."""
    assert split_reference(reference) == parts


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_789),
        ("1970-01-01T01:00:02+01:00", 2_000_000_000),
        ("0001-01-01T00:00:00Z", 0),
        ("soon", 0),
    ],
)
def test_times_are_wall_clock(text: str, at_ns: int) -> None:
    """Nanoseconds are kept; no time is 0."""
    assert time_ns(text) == at_ns


def test_list_inspect_and_event_agree() -> None:
    """Each of the daemon's ways to speak of a container gives the same facts, as far as it has them."""
    labels = {"a": "1"}
    networks = {
        "Networks": {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd00::2"}, "none": {}}
    }
    listed = from_list(
        {
            "Id": ID,
            "Names": ["/other/link", "/web"],
            "Image": "nginx:1",
            "ImageID": DIGEST,
            "Created": 5,
            "Labels": labels,
            "NetworkSettings": networks,
        }
    )
    inspected = from_inspect(
        {
            "Id": ID,
            "Name": "/web",
            "Image": DIGEST,
            "Created": "1970-01-01T00:00:05Z",
            "Config": {"Image": "nginx:1", "Labels": labels},
            "NetworkSettings": networks,
        }
    )
    event = from_event({"ID": ID, "Attributes": {"name": "web", "image": "nginx:1", "a": "1"}})
    assert listed == inspected
    assert dict(listed.addresses) == {"bridge": ("172.17.0.2", "fd00::2")}
    assert (event.id, event.name, event.image, event.labels) == (ID, "web", "nginx:1", labels)


def test_digests_come_from_the_image() -> None:
    """All of its repositories; without them the digest by which it was named."""
    image = ImageFacts(("app:1",), ("a@sha256:1", "b@sha256:2"))
    named = attributes(ContainerFacts(ID, "web", f"app@{DIGEST}"))
    assert attributes(ContainerFacts(ID, "web", "app:1"), image)["container.image.repo_digests"] == (
        "a@sha256:1,b@sha256:2"
    )
    assert named["container.image.repo_digests"] == f"app@{DIGEST}"
    assert "container.image.tags" not in named


def test_an_image_known_by_its_id_has_the_name_of_its_tag() -> None:
    """A container of an id is named as its image is."""
    found = attributes(ContainerFacts(ID, "web", DIGEST), ImageFacts(("shop/app:7",)))
    assert (found["container.image.name"], found["container.image.tags"]) == ("shop/app", "7")


def test_labels_are_taken_over_by_pattern() -> None:
    """Only those asked for: labels may hold secrets."""
    labels = {"org.a.b": "1", "org.c": "2", "com.d": "3"}
    found = attributes(ContainerFacts(ID, "web", "", labels=labels), labels=["org.*", "com.?x"])
    taken = {name: value for name, value in found.items() if name.startswith("container.label.")}
    assert taken == {"container.label.org.a.b": "1", "container.label.org.c": "2"}


@pytest.mark.parametrize(
    ("labels", "cluster"),
    [
        ({"cluster": "prod", "task-arn": "arn:aws:ecs:r:1:task/prod/t1"}, "arn:aws:ecs:r:1:cluster/prod"),
        ({"cluster": "prod", "task-arn": "arn:aws-cn:ecs:r:1:task/t1"}, "arn:aws-cn:ecs:r:1:cluster/prod"),
        (
            {"cluster": "arn:aws:ecs:r:1:cluster/own", "task-arn": "arn:aws:ecs:r:1:task/x/t1"},
            "arn:aws:ecs:r:1:cluster/own",
        ),
        ({"cluster": "prod"}, None),
        ({}, None),
    ],
)
def test_an_ecs_cluster_is_an_arn(labels: dict[str, str], cluster: str | None) -> None:
    """Named by its ARN, or by its name within the task's account and region."""
    facts = ContainerFacts(
        ID, "web", "", labels={f"com.amazonaws.ecs.{name}": value for name, value in labels.items()}
    )
    assert attributes(facts).get("aws.ecs.cluster.arn") == cluster
    assert attributes(facts).get("aws.ecs.task.id") == ("t1" if "task-arn" in labels else None)
