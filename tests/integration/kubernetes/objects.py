"""Objects in the shape in which the Kubernetes API sends them, those parts included that nobody here needs."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

Json = dict[str, Any]

#: When the objects were made, unless a test says otherwise: 2026-01-01T00:00:00Z, seconds.
MADE: Final = 1_767_225_600.0


def stamp(seconds: float) -> str:
    """metav1.Time: whole seconds, what is left is cut off."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def uid_of(text: str) -> str:
    """A uid that is always the same for the same text."""
    return str(UUID(bytes=hashlib.md5(text.encode(), usedforsecurity=False).digest()))


def metadata(name: str, namespace: str = "", made: float = MADE, **more: Any) -> Json:
    """The metadata of an object; a name that is used again is another object if it was ``made`` at another time."""
    meta: Json = {"name": name, "uid": uid_of(f"{namespace}/{name}/{made}"), "creationTimestamp": stamp(made)}
    if namespace:
        meta["namespace"] = namespace
    return meta | more


def owned_by(kind: str, name: str, uid: str, group: str = "apps/v1") -> Json:
    """An owner reference of a controller."""
    return {
        "apiVersion": group,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


@dataclass
class PodSketch:
    """What differs from pod to pod; times in seconds.

    :param started: of the first container; the address is there a second before. None until it has one.
    :param finished: of all containers.
    """

    name: str
    namespace: str = "shop"
    ip: str = ""
    node: str = "node-1"
    made: float = MADE
    started: float | None = MADE + 3
    finished: float | None = None
    phase: str = "Running"
    owner: Json | None = None
    labels: dict[str, str] = field(default_factory=dict)
    containers: tuple[tuple[str, str], ...] = (("app", "registry.example:5000/shop/app:1.4.2"),)
    host_network: bool = False
    extra: Json = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return uid_of(f"{self.namespace}/{self.name}/{self.made}")

    def container_id(self, container: str = "app") -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(f"{self.uid}/{container}".encode()).hexdigest()

    def json(self) -> Json:
        """The pod as the API sends it."""
        meta = metadata(self.name, self.namespace, self.made, labels=self.labels, **self.extra)
        meta["managedFields"] = _managed("kube-controller-manager", "kubelet")
        if self.owner:
            meta["ownerReferences"] = [self.owner]
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": meta,
            "spec": self._spec(),
            "status": self._status(),
        }

    def _spec(self) -> Json:
        spec: Json = {
            "volumes": [{"name": "token", "projected": {"sources": _TOKEN_SOURCES, "defaultMode": 420}}],
            "containers": [_container(name, image) for name, image in self.containers],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": _TOLERATIONS,
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        }
        if self.node:
            spec["nodeName"] = self.node
        if self.host_network:
            spec["hostNetwork"] = True
        return spec

    def _status(self) -> Json:
        if self.started is None:
            return {"phase": "Pending", "qosClass": "BestEffort"}
        status: Json = {
            "phase": self.phase,
            "conditions": _conditions(self.made, self.started),
            "hostIP": "192.168.0.1",
            "hostIPs": [{"ip": "192.168.0.1"}],
            "startTime": stamp(self.made + 1),
            "containerStatuses": [self._container_status(name, image) for name, image in self.containers],
            "qosClass": "BestEffort",
        }
        if self.ip:
            status |= {"podIP": self.ip, "podIPs": [{"ip": self.ip}]}
        return status

    def _container_status(self, name: str, image: str) -> Json:
        assert self.started is not None
        identity = f"containerd://{self.container_id(name)}"
        state: Json = {"running": {"startedAt": stamp(self.started)}}
        if self.finished is not None:
            times = {"startedAt": stamp(self.started), "finishedAt": stamp(self.finished)}
            state = {"terminated": {"exitCode": 0, "reason": "Completed", "containerID": identity} | times}
        return {
            "name": name,
            "state": state,
            "lastState": {},
            "ready": self.finished is None,
            "restartCount": 0,
            "image": image,
            "imageID": f"{image.partition(':')[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}",
            "containerID": identity,
            "started": self.finished is None,
        }


def node(name: str, zone: str = "eu-1a", region: str = "eu-1", ip: str = "", **more: Any) -> Json:
    """A node in a zone."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= {"topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": region}
    addresses = [{"type": "Hostname", "address": name}]
    if ip:
        addresses.append({"type": "InternalIP", "address": ip})
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": metadata(name, labels=labels, managedFields=_managed("kubelet"), **more),
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": f"cloud:///{zone}/{name}"},
        "status": {
            "addresses": addresses,
            "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
            "images": [
                {"names": [f"registry.example/image-{n}:1"], "sizeBytes": 10_000_000} for n in range(20)
            ],
        },
    }


def replica_set(name: str, deployment: str | None, namespace: str = "shop") -> Json:
    """A ReplicaSet, of a Deployment or on its own."""
    meta = metadata(name, namespace, managedFields=_managed("kube-controller-manager"))
    if deployment:
        meta["ownerReferences"] = [
            owned_by("Deployment", deployment, uid_of(f"deployment/{namespace}/{deployment}"))
        ]
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": name}},
        "template": {"spec": {"containers": [_container("app", "app:1")]}},
    }
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": meta,
        "spec": spec,
        "status": {"replicas": 1},
    }


def job(name: str, cron_job: str | None, namespace: str = "shop") -> Json:
    """A Job, of a CronJob or on its own."""
    meta = metadata(name, namespace)
    if cron_job:
        uid = uid_of(f"cronjob/{namespace}/{cron_job}")
        meta["ownerReferences"] = [owned_by("CronJob", cron_job, uid, "batch/v1")]
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": meta,
        "spec": {"template": {}},
        "status": {"active": 1},
    }


def service(name: str, ip: str, namespace: str = "shop", **more: Any) -> Json:
    """A service with a cluster address, or ``None`` as text for a headless one."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": metadata(name, namespace, managedFields=_managed("kubectl"), **more),
        "spec": {
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080}],
            "selector": {"app": name},
            "clusterIP": ip,
            "clusterIPs": [ip],
            "type": "ClusterIP",
            "ipFamilies": ["IPv4"],
        },
        "status": {"loadBalancer": {}},
    }


def endpoint_slice(name: str, of_service: str, pods: list[PodSketch], namespace: str = "shop") -> Json:
    """A slice of a service that leads to these pods; the API sends null for none."""
    endpoints = [
        {
            "addresses": [pod.ip],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod.name, "uid": pod.uid},
            "nodeName": pod.node,
        }
        for pod in pods
    ]
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": metadata(name, namespace, labels={"kubernetes.io/service-name": of_service}),
        "addressType": "IPv4",
        "endpoints": endpoints or None,
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    }


def _conditions(made: float, started: float) -> list[Json]:
    times = {
        "PodReadyToStartContainers": started - 1,
        "Initialized": made + 1,
        "Ready": started + 1,
        "ContainersReady": started + 1,
        "PodScheduled": made,
    }
    return [
        {"type": name, "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp(seconds)}
        for name, seconds in times.items()
    ]


def _container(name: str, image: str) -> Json:
    mounts = [
        {"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    ]
    return {
        "name": name,
        "image": image,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{number}", "value": "x" * 40} for number in range(12)],
        "resources": {
            "limits": {"cpu": "1", "memory": "512Mi"},
            "requests": {"cpu": "100m", "memory": "256Mi"},
        },
        "volumeMounts": mounts,
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def _managed(*managers: str) -> list[Json]:
    """Who set which field: about half of what a real object weighs."""
    fields: Json = {
        f'k:{{"type":"Condition{number}"}}': {".": {}, "f:lastProbeTime": {}} for number in range(20)
    }
    return [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": stamp(MADE),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:status": fields},
        }
        for manager in managers
    ]


_TOKEN_SOURCES: Final = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
]
_TOLERATIONS: Final = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for what in ("not-ready", "unreachable")
]
