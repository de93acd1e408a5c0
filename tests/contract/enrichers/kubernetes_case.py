"""The Kubernetes enricher as the contract suite wants it: an API server that is away, pods told to its model."""

from pathlib import Path

from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.enricher import Kubernetes
from enrichers.kubernetes.objects import Metadata, Pod, PodStatus
from enrichers.kubernetes.resources import PODS, resources
from model.enricher import Enricher, KeyKind
from tests.integration.kube_api import kubeconfig

_PODS = next(one for one in resources(None) if one.plural == PODS)


def make_kubernetes(folder: Path, entries: int) -> Enricher:
    """One whose kubeconfig leads to a port where nobody listens."""
    path = kubeconfig(folder, "http://127.0.0.1:1")
    return Kubernetes(KubernetesConfig(kubeconfig=str(path), objects=entries))


def kubernetes_key(number: int) -> tuple[KeyKind, str]:
    """The address of the n-th pod."""
    return KeyKind.ADDRESS, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def teach_kubernetes(enricher: Enricher, number: int, at_ns: int) -> None:
    """A pod has the address from a time on."""
    assert isinstance(enricher, Kubernetes)
    meta = Metadata(name=f"pod-{number}", namespace="shop", uid=f"{number}-{at_ns}")
    pod = Pod(metadata=meta, status=PodStatus(phase="Running", pod_ip=kubernetes_key(number)[1]))
    enricher._model.put(_PODS, pod, at_ns)
