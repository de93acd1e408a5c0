"""Configuration of how the API server of Kubernetes is asked."""

from typing import Annotated, Literal

import msgspec

from model.settings import PluginConfig


class KubernetesConfig(PluginConfig, frozen=True):
    """Whether and how the API server of Kubernetes is asked who somebody is.

    :param enabled: ``auto``: in a pod with a service account, or if ``kubeconfig`` is set.
    :param kubeconfig: a file; empty for the service account, or outside of a cluster $KUBECONFIG or ~/.kube/config.
    :param context: of the kubeconfig; empty for its current one.
    :param objects: of all kinds kept at once, and as many identities; more are counted and not known.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    kubeconfig: str = ""
    context: str = ""
    objects: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 131072
