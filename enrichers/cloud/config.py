"""Configuration of where this machine is."""

from typing import Literal

from model.settings import PluginConfig


class CloudConfig(PluginConfig, frozen=True):
    """Where this machine is.

    :param source: whose metadata service is asked, at the start: ``auto`` asks all of them, ``off`` none.
    :param provider: of this machine, whatever the metadata service says; region and zone likewise.
    """

    source: Literal["off", "auto", "aws", "gcp", "azure"] = "off"
    provider: str = ""
    region: str = ""
    zone: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What is configured, under the names of the OpenTelemetry semantic conventions."""
        attributes = {
            "cloud.provider": self.provider,
            "cloud.region": self.region,
            "cloud.availability_zone": self.zone,
        }
        return {name: value for name, value in attributes.items() if value}
