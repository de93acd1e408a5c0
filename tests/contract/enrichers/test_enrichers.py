"""Every enricher of ours is held to the contract; a new one joins with a class."""

from pathlib import Path
from typing import Final

import numpy as np

from engine.plugins.registry import ENRICHER, installed
from enrichers.cloud.config import CloudConfig
from enrichers.cloud.place import CloudPlace
from enrichers.dns_config import DnsConfig
from enrichers.docker.config import DockerConfig
from enrichers.docker.containers import Containers
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.enricher import Kubernetes
from enrichers.kubernetes.objects import Metadata, Pod, PodStatus
from enrichers.kubernetes.resources import PODS, resources
from enrichers.names import ConfiguredNames, NamesConfig
from enrichers.process.config import ProcessConfig
from enrichers.process.processes import Processes
from enrichers.reverse_dns import ReverseDns
from model.enricher import KeyKind
from probes.kernel.layout import structs
from tailrace.testing import EnricherContract
from tests.integration.kubernetes.api import kubeconfig

_PODS: Final = next(one for one in resources(None) if one.plural == PODS)


def test_every_installed_enricher_is_held_to_the_contract() -> None:
    """The suite leaves out no enricher that the entry points name."""
    suites = [suite for suite in EnricherContract.__subclasses__() if suite.__module__ == __name__]
    assert {plugin.entry.load() for plugin in installed(ENRICHER)} == {
        suite.enricher_class for suite in suites
    }


class TestProcess(EnricherContract):
    """Processes, of which /proc does not tell here."""

    enricher_class = Processes

    def make(self, folder: Path) -> Processes:
        config, passwd = ProcessConfig(entries=self.limit), folder / "passwd"
        return Processes(config, proc=folder / "proc", passwd=passwd, census_seconds=0.01)

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.PROCESS, str(1000 + number)

    def teach(self, enricher: Processes, number: int, at_ns: int) -> None:
        event = np.zeros(1, structs("process")["exec_event"])
        event["header"]["at_ns"], event["pid"], event["executable"] = at_ns, 1000 + number, b"/bin/app"
        enricher.learn(event, 0)


class TestDocker(EnricherContract):
    """Containers of a daemon that is not there."""

    enricher_class = Containers

    def make(self, folder: Path) -> Containers:
        return Containers(DockerConfig(url=f"unix://{folder}/docker.sock", entries=self.limit))

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.CONTAINER, f"{number:064x}"

    def teach(self, enricher: Containers, number: int, at_ns: int) -> None:
        attributes = {"name": f"web-{number}", "image": "app:1"}
        actor = {"ID": f"{number:064x}", "Attributes": attributes}
        event = {"Type": "container", "Action": "create", "Actor": actor, "timeNano": at_ns}
        enricher.memory.event(event)


class TestCloud(EnricherContract):
    """A place that is configured, and a metadata service that is not there."""

    enricher_class, timeless = CloudPlace, True

    def make(self, folder: Path) -> CloudPlace:
        return CloudPlace(CloudConfig("auto", region="r1"), url="http://127.0.0.1:1")

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.NODE, f"node-{number + 1}"


class TestNames(EnricherContract):
    """A network with a name."""

    enricher_class, timeless = ConfiguredNames, True

    def make(self, folder: Path) -> ConfiguredNames:
        return ConfiguredNames(NamesConfig({"10.0.0.0/8": "inside"}), entries=self.limit)

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.ADDRESS, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class TestReverseDns(EnricherContract):
    """A resolver that knows no name."""

    enricher_class = ReverseDns

    def make(self, folder: Path) -> ReverseDns:
        return ReverseDns(DnsConfig(reverse=True, entries=self.limit), resolve=lambda _: "")

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.ADDRESS, f"192.0.2.{number & 255}"


class TestKubernetes(EnricherContract):
    """Pods of an API server that is not there."""

    enricher_class = Kubernetes

    def make(self, folder: Path) -> Kubernetes:
        path = kubeconfig(folder, "http://127.0.0.1:1")
        return Kubernetes(KubernetesConfig(kubeconfig=str(path), objects=self.limit))

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.ADDRESS, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def teach(self, enricher: Kubernetes, number: int, at_ns: int) -> None:
        meta = Metadata(name=f"pod-{number}", namespace="shop", uid=f"{number}-{at_ns}")
        pod = Pod(metadata=meta, status=PodStatus(phase="Running", pod_ip=self.key(number)[1]))
        enricher._model.put(_PODS, pod, at_ns)
