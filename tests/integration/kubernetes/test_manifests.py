"""The manifests give exactly the rights that are used, and the capabilities that the doctor asks for."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from yarl import URL

from engine.config import load_config
from model.version import VERSION
from tests.integration.kubernetes.api import kube_api
from tests.integration.kubernetes.site import following, until

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
ROLES = ("agent", "engine")
PODS = {"agent": "DaemonSet", "engine": "Deployment", "nats": "StatefulSet"}
#: The oldest that has all fields which are used, and the newest that the schemas know.
VERSIONS = ("1.30", kubernetes_validate.__version__.rpartition(".")[0])


def manifest(role: str, kind: str) -> Any:
    """The one object of a kind in the file of a role."""
    objects = yaml.safe_load_all((FOLDER / f"{role}.yaml").read_text())
    (found,) = (one for one in objects if one["kind"] == kind)
    return found


def pod_spec(role: str) -> Any:
    """Of the agent's, the engine's or the server's pods."""
    return manifest(role, PODS[role])["spec"]["template"]["spec"]


def kustomization() -> Any:
    """What `kubectl apply -k` reads first."""
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def generated() -> dict[str, dict[str, Path]]:
    """The files of each ConfigMap, by their names in it."""
    found: dict[str, dict[str, Path]] = {}
    for one in kustomization()["configMapGenerator"]:
        named = (entry.rpartition("=") for entry in one["files"])
        found[one["name"]] = {name or Path(path).name: FOLDER / path for name, _, path in named}
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_rights_are_exactly_those_that_are_used(role: str, tmp_path: Path) -> None:
    """Verbs and resources of the ClusterRole are what an API server is asked for: none is missing, none is spare."""
    async with kube_api() as api:
        async with following(api, tmp_path, node="node-1" if role == "agent" else None):
            await until(lambda: all(api.watches(one.plural) for one in api.asked))
        used = {(one.group, one.plural, one.verb) for one in api.asked}
    granted = {
        (group, resource, verb)
        for rule in manifest(role, "ClusterRole")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == used


@pytest.mark.parametrize("role", ROLES)
def test_the_binding_joins_account_role_and_pods(role: str) -> None:
    """The pods run as the account that the role is bound to."""
    binding, account = manifest(role, "ClusterRoleBinding"), manifest(role, "ServiceAccount")["metadata"]
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])
    assert binding["roleRef"]["name"] == manifest(role, "ClusterRole")["metadata"]["name"]
    assert pod_spec(role)["serviceAccountName"] == account["name"]


def test_the_agent_has_what_the_doctor_asks_for() -> None:
    """Every capability of the page is there, none is dropped in silence, and the pid namespace is the machine's."""
    page = (FOLDER.parents[1] / "docs" / "doctor.md").read_text()
    table = page.partition("## What is needed")[2].partition("\n## ")[0]
    (container,) = pod_spec("agent")["containers"]
    added = {f"CAP_{name}" for name in container["securityContext"]["capabilities"]["add"]}
    asked = {word.strip("(),") for word in table.split() if word.startswith(("CAP_", "(CAP_"))}
    assert asked <= added
    assert pod_spec("agent")["hostPID"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_the_engine_has_no_right_over_its_node() -> None:
    """Not root, no capability, nothing of the host."""
    spec = pod_spec("engine")
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostPID", "hostNetwork", "hostIPC"} & spec.keys()
    assert all("hostPath" not in volume for volume in spec["volumes"])


def test_all_files_are_applied() -> None:
    """The kustomization names every manifest of the folder, and a tag for every image of Tailrace."""
    named = kustomization()["resources"]
    images = {pod_spec(role)["containers"][0]["image"].partition(":")[0] for role in ROLES}
    assert {one["name"] for one in kustomization()["images"]} == images
    assert sorted(named) == sorted(
        path.name for path in FOLDER.glob("*.yaml") if path.stem != "kustomization"
    )


@pytest.fixture(scope="module")
def applied() -> list[Any]:
    """What the README's `kubectl apply -k` gives to the API server, made by kubectl."""
    if not shutil.which("kubectl"):
        pytest.skip("needs kubectl: make setup")
    readme = (FOLDER.parents[1] / "README.md").read_text()
    command = re.search(r"(?m)^kubectl apply -k (\S+)$", readme)
    assert command is not None
    done = subprocess.run(
        ["kubectl", "kustomize", command[1]],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


def test_kubectl_makes_objects_that_kubernetes_knows(applied: list[Any]) -> None:
    """All of them by the API's own schemas, in the namespace that is made with them."""
    for one in applied:
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
        if one["kind"] not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            assert one["metadata"]["namespace"] == "tailrace", one["metadata"]
    assert {"Namespace", "ConfigMap", *PODS.values()} <= {one["kind"] for one in applied}


def test_pods_find_the_configuration_that_kubectl_makes(applied: list[Any]) -> None:
    """Under the name that it gets from what is in it; and what is in it is read by the program."""
    maps = {one["metadata"]["name"]: one["data"] for one in applied if one["kind"] == "ConfigMap"}
    pods = [one["spec"]["template"]["spec"] for one in applied if one["kind"] in PODS.values()]
    used = [
        volume["configMap"]["name"] for spec in pods for volume in spec["volumes"] if "configMap" in volume
    ]
    assert sorted(used) == sorted(maps)
    assert all(re.fullmatch(r"(nats|agent|engine)-\w{10}", name) for name in used)


def test_pods_run_the_images_that_the_readme_builds(applied: list[Any]) -> None:
    """By name and tag, which is the version."""
    readme = (FOLDER.parents[1] / "README.md").read_text()
    tag = re.search(r"for role in agent engine; .*--target \$role -t tailrace-\$role:(\S+) ", readme)
    assert tag is not None
    assert tag[1] == VERSION
    pods = [one["spec"]["template"]["spec"] for one in applied if one["kind"] in PODS.values()]
    images = {container["image"] for spec in pods for container in spec["containers"]}
    assert {f"tailrace-{role}:{VERSION}" for role in ROLES} <= images


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_what_kubernetes_knows(version: str) -> None:
    """Every object has the fields of its kind and no others, by the API's own schemas."""
    checked: set[str] = set()
    for path in FOLDER.glob("*.yaml"):
        for found in yaml.safe_load_all(path.read_text()):
            if found["kind"] != "Kustomization":
                kubernetes_validate.validate(found, version, strict=True)
                checked.add(found["kind"])
    assert {"Namespace", "Service", "ClusterRole", *PODS.values()} <= checked


@pytest.mark.parametrize("role", PODS)
def test_pods_are_bounded_watched_and_configured(role: str) -> None:
    """Memory has a limit, all three probes are there, the root is read-only, and its configuration is a file here."""
    spec = pod_spec(role)
    (container,) = spec["containers"]
    assert container["resources"]["limits"]["memory"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    (config,) = (one for one in spec["volumes"] if "configMap" in one)
    files = {f"{mounted[config['name']]}/{name}" for name in generated()[config["configMap"]["name"]]}
    assert files & set(container["args"]) == files


@pytest.mark.parametrize("role", ROLES)
def test_configurations_fit_the_pods_and_nats(role: str) -> None:
    """They are read, serve what the probes ask for, and name the server that is applied beside them."""
    (container,) = pod_spec(role)["containers"]
    config = load_config(generated()[role]["tailrace.yaml"], {})
    (port,) = (one["containerPort"] for one in container["ports"] if one["name"] == "metrics")
    assert config.metrics.listen == f"0.0.0.0:{port}"
    assert {container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    bus, service = URL(config.bus.url), manifest("nats", "Service")
    assert bus.host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert bus.port in {one["port"] for one in service["spec"]["ports"]}
    assert int(bus.query["replicas"]) == manifest("nats", "StatefulSet")["spec"]["replicas"]


def test_nats_reads_its_configuration() -> None:
    """The server takes it, and each pod of the set is a route to the others."""
    path = generated()["nats"]["nats.conf"]
    environment = os.environ | {"POD_NAME": "nats-0"}
    checked = subprocess.run(
        ["nats-server", "-t", "-c", path], env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    pods = manifest("nats", "StatefulSet")["spec"]["replicas"]
    assert re.findall(r"nats-(\d+)\.nats\.tailrace\.svc:6222", path.read_text()) == [*map(str, range(pods))]
