"""Configuration of how containers get their names."""

from typing import Annotated, Literal

import msgspec

from model.globs import check_globs
from model.settings import PluginConfig

#: Schemes of the URLs of Docker daemons.
DOCKERS = ("unix", "tcp", "http", "https")


class DockerConfig(PluginConfig, frozen=True):
    """How containers get their names.

    :param enabled: ``auto`` asks the daemon whenever there is one, ``off`` never does.
    :param url: where the daemon listens.
    :param labels: of a container that are reported; patterns: ``*`` and ``?`` stand for any letters.
    :param entries: containers and their addresses known at once, also of those that are gone.
    """

    enabled: Literal["auto", "off"] = "auto"
    url: str = "unix:///var/run/docker.sock"
    labels: tuple[str, ...] = ("org.opencontainers.image.version", "org.opencontainers.image.revision")
    entries: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 16384

    def __post_init__(self) -> None:
        check_globs("labels", self.labels)
        if self.url.partition("://")[0] not in DOCKERS:
            raise ValueError(
                f"docker.url must begin with one of {', '.join(f'{name}://' for name in DOCKERS)}"
            )
