"""The manifests give exactly the rights that are used, and the capabilities that the doctor asks for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.kube_api import kube_api
from tests.integration.kube_site import following, until

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
ROLES = ("agent", "engine")


def manifest(role: str, kind: str) -> Any:
    """The one object of a kind in the file of a role."""
    objects = yaml.safe_load_all((FOLDER / f"{role}.yaml").read_text())
    (found,) = (one for one in objects if one["kind"] == kind)
    return found


def pod_spec(role: str) -> Any:
    """Of the agent's or the engine's pods."""
    return manifest(role, {"agent": "DaemonSet", "engine": "Deployment"}[role])["spec"]["template"]["spec"]


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
    """The kustomization names every manifest of the folder."""
    named = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(named) == sorted(
        path.name for path in FOLDER.glob("*.yaml") if path.stem != "kustomization"
    )
