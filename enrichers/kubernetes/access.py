"""Whether Kubernetes is to be asked, and whether what the user wrote for that can work: checked without a client."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from enrichers.kubernetes.config import KubernetesConfig
from model.errors import UsageError

#: Where a pod finds its token (Kubernetes: "Accessing the API from within a Pod").
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST: Final = "KUBERNETES_SERVICE_HOST"
_REMEDY: Final = "see docs/kubernetes.md"


def in_cluster() -> bool:
    """Whether this process runs in a pod with a service account."""
    return bool(os.environ.get(_HOST)) and (SERVICE_ACCOUNT / "token").is_file()


def is_wanted(config: KubernetesConfig) -> bool:
    """Whether Kubernetes is to be asked: ``auto`` means in a pod, or if a kubeconfig is named."""
    if config.enabled == "auto":
        return bool(config.kubeconfig) or in_cluster()
    return config.enabled == "on"


def check(config: KubernetesConfig) -> None:
    """Finds the context that will be used.

    :raises UsageError: if the kubeconfig is not there, is not YAML, or does not have it.
    """
    if in_cluster() and not config.kubeconfig:
        return
    files = kubeconfig_files(config)
    contents = [_read(file) for file in files if file.is_file()]
    shown = ", ".join(map(str, files))
    if not contents:
        raise UsageError(f"no Kubernetes: {shown} does not exist", _REMEDY)
    current = (one.get("current-context") for one in contents)
    wanted = config.context or next(filter(None, current), "")
    known = [context.get("name") for one in contents for context in one.get("contexts") or ()]
    if wanted not in known:
        names = f"; it has {', '.join(map(str, known))}" if known else ""
        raise UsageError(f"{shown} has no context {wanted!r}{names}", _REMEDY)


def kubeconfig_files(config: KubernetesConfig) -> list[Path]:
    """Those that kubectl would take: several, divided by colons, are merged."""
    named = config.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return [Path(name) for name in named.split(":") if name]


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.yaml.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", _REMEDY) from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{file} is no kubeconfig: {error}", _REMEDY) from error
