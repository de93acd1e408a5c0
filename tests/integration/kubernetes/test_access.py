"""How the API server is found and entered: kubeconfig, service account, TLS, tokens that rotate, missing rights."""

import logging
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.config import load_config
from enrichers.kubernetes import access as kubernetes_access
from enrichers.kubernetes.access import is_wanted
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.enricher import Kubernetes
from model.errors import UsageError
from tests.integration.kubernetes.api import KubeApi, kube_api, kubeconfig
from tests.integration.kubernetes.objects import PodSketch
from tests.integration.kubernetes.site import following, pod_at, until

POD = PodSketch("pod", ip="10.0.0.1")
LATER = PodSketch("later", ip="10.0.0.2")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of 127.0.0.1 that is its own CA, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    subject = ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "server.key", "-out", "ca.crt"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    """A server without TLS, with one pod."""
    async with kube_api() as server:
        server.put(POD.json())
        yield server


@pytest.fixture
async def tls_api(certificate: Path) -> AsyncIterator[KubeApi]:
    """The same with TLS, and a token."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "ca.crt", certificate / "server.key")
    async with kube_api(context) as server:
        server.put(POD.json())
        server.tokens = {"first"}
        yield server


@pytest.fixture
def account(tls_api: KubeApi, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod's service account: token, CA, and the server's address in the environment."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "ca.crt").write_bytes((certificate / "ca.crt").read_bytes())
    (folder / "token").write_text("first\n")
    monkeypatch.setattr(kubernetes_access, "SERVICE_ACCOUNT", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(tls_api.port))
    return folder


async def test_a_service_account_is_enough(tls_api: KubeApi, account: Path, tmp_path: Path) -> None:
    """In a pod nothing has to be configured: TLS with the cluster's CA, and the token."""
    async with following(tls_api, tmp_path, config=KubernetesConfig()) as enricher:
        assert pod_at(enricher, POD.ip) == "pod"


async def test_a_token_that_rotates_is_read_again(tls_api: KubeApi, account: Path, tmp_path: Path) -> None:
    """The old token is refused and the file has a new one: what is known stays, and what is new comes."""
    async with following(tls_api, tmp_path, config=KubernetesConfig()) as enricher:
        await until(lambda: tls_api.watches("pods"))
        (account / "token").write_text("second")
        tls_api.tokens = {"second"}
        tls_api.cut()
        tls_api.put(LATER.json())
        await until(lambda: pod_at(enricher, LATER.ip) == "later")
        assert pod_at(enricher, POD.ip) == "pod"


async def test_a_token_file_of_a_kubeconfig_is_read_again(
    tls_api: KubeApi, certificate: Path, tmp_path: Path
) -> None:
    """A kubeconfig that names a token file and a CA file: the same."""
    token = tmp_path / "token"
    token.write_text("first")
    cluster = {"certificate-authority": str(certificate / "ca.crt")}
    path = kubeconfig(tmp_path, tls_api.url, {"tokenFile": str(token)}, cluster)
    async with following(tls_api, tmp_path, config=KubernetesConfig(kubeconfig=str(path))) as enricher:
        assert pod_at(enricher, POD.ip) == "pod"
        token.write_text("second")
        tls_api.tokens = {"second"}
        tls_api.cut()
        tls_api.put(LATER.json())
        await until(lambda: pod_at(enricher, LATER.ip) == "later")


async def test_a_program_that_gives_tokens_is_run_again(
    tls_api: KubeApi, certificate: Path, tmp_path: Path
) -> None:
    """A kubeconfig with an exec plugin, as clouds have them: it is asked again when its token is refused."""
    token, plugin = tmp_path / "token", tmp_path / "plugin"
    token.write_text("first")
    head = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
    runs = tmp_path / "runs"
    plugin.write_text(
        f"""#!/bin/sh\ncat {token} >>{runs}; echo '{head}"status": {{"token": "'$(cat {token})'"}}}}'\n"""
    )
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    cluster = {"certificate-authority": str(certificate / "ca.crt")}
    path = kubeconfig(tmp_path, tls_api.url, user, cluster)
    async with following(tls_api, tmp_path, config=KubernetesConfig(kubeconfig=str(path))) as enricher:
        assert runs.read_text() == "first"
        token.write_text("second")
        tls_api.tokens = {"second"}
        tls_api.cut()
        tls_api.put(LATER.json())
        await until(lambda: pod_at(enricher, LATER.ip) == "later")
        assert pod_at(enricher, POD.ip) == "pod"
    assert set(runs.read_text().replace("first", "1").replace("second", "2")) == {"1", "2"}


async def test_a_server_with_another_certificate_is_not_talked_to(tls_api: KubeApi, tmp_path: Path) -> None:
    """Without its CA nothing is sent, the token least of all; it counts as a failure."""
    path = kubeconfig(tmp_path, tls_api.url, {"token": "first"})
    config = KubernetesConfig(kubeconfig=str(path))
    async with following(tls_api, tmp_path, config=config, ready=False) as enricher:
        await until(lambda: enricher.noted["failures"] >= 12)
        assert tls_api.asked == []


async def test_a_missing_right_is_named_once(
    api: KubeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """403 on one resource: one warning says which rule is missing and for whom; the others work, and it heals."""
    api.forbidden = {("list", "replicasets"), ("watch", "replicasets")}
    with caplog.at_level(logging.WARNING):
        async with following(api, tmp_path, ready=False) as enricher:
            await until(lambda: enricher.noted["forbidden"] >= 3)
            await until(lambda: pod_at(enricher, POD.ip) == "pod")
            refused = [record.message for record in caplog.records if "allow" in record.message]
            assert len(refused) == 1
            assert (
                'allow list and watch on replicasets (apiGroup "apps") to '
                "system:serviceaccount:tailrace:tailrace-engine: see docs/kubernetes.md" in refused[0]
            )
            assert enricher.statistics().stale == 0
            api.forbidden = set()
            await enricher.ready()


async def test_a_right_to_list_without_one_to_watch(
    api: KubeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was listed is known; that it is no longer kept true shows as stale answers, and the rule is named."""
    api.forbidden = {("watch", "pods")}
    async with following(api, tmp_path) as enricher:
        await until(lambda: enricher.noted["forbidden"] >= 2)
        assert pod_at(enricher, POD.ip) == "pod"
        assert enricher.statistics().stale == 1
        assert 'allow list and watch on pods (apiGroup "")' in caplog.text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "is no kubeconfig"), ("{}", "has no context ''"), ("clusters: [", "is no kubeconfig")],
)
async def test_a_broken_kubeconfig_is_for_the_user_to_mend(tmp_path: Path, text: str, complaint: str) -> None:
    """The error names the file, and where to read on."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    enricher = Kubernetes(KubernetesConfig(kubeconfig=str(path)))
    with pytest.raises(UsageError, match=complaint) as error:
        await enricher.start("node-1")
    assert str(path) in str(error.value)
    assert "docs/kubernetes.md" in str(error.value)
    await enricher.close()


async def test_a_missing_file_and_a_missing_context_are_named(api: KubeApi, tmp_path: Path) -> None:
    """A kubeconfig that is not there, and a context that it does not have."""
    missing = Kubernetes(KubernetesConfig(kubeconfig=str(tmp_path / "none")))
    with pytest.raises(UsageError, match="none does not exist"):
        await missing.start("node-1")
    path = kubeconfig(tmp_path, api.url)
    other = Kubernetes(KubernetesConfig(kubeconfig=str(path), context="other"))
    with pytest.raises(UsageError, match="has no context 'other'; it has test"):
        await other.start("node-1")


def test_auto_means_in_a_pod_or_with_a_kubeconfig(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On and off are obeyed; auto looks for a service account, or takes the kubeconfig that is named."""
    assert is_wanted(KubernetesConfig())
    assert not is_wanted(KubernetesConfig(enabled="off"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not is_wanted(KubernetesConfig())
    assert is_wanted(KubernetesConfig(kubeconfig="file"))
    assert is_wanted(KubernetesConfig(enabled="on"))


def test_on_and_off_may_be_written_bare(tmp_path: Path) -> None:
    """YAML takes a bare on or off as true or false; both forms mean the same, also in the environment."""
    path = tmp_path / "tailrace.yaml"
    path.write_text("kubernetes: {enabled: off}")
    assert load_config(path, {}).kubernetes.enabled == "off"
    assert load_config(path, {"TAILRACE_KUBERNETES_ENABLED": "on"}).kubernetes.enabled == "on"
    assert load_config(path, {"TAILRACE_KUBERNETES_ENABLED": "auto"}).kubernetes.enabled == "auto"


async def test_switched_off_it_asks_nobody(api: KubeApi, tmp_path: Path) -> None:
    """Nothing is sent, nothing is known, and closing is no error."""
    config = KubernetesConfig(enabled="off", kubeconfig=str(kubeconfig(tmp_path, api.url)))
    async with following(api, tmp_path, config=config, ready=False) as enricher:
        assert pod_at(enricher, POD.ip) is None
        assert enricher.statistics().age_seconds == float("inf")
    assert api.asked == []


def test_the_client_is_not_imported_before_it_is_needed() -> None:
    """kubernetes_asyncio stays off the way of commands that start without a cluster."""
    program = (
        "import sys, engine.cli, enrichers.kubernetes.enricher; print('kubernetes_asyncio' in sys.modules)"
    )
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "False\n"
