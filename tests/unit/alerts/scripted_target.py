"""A target that keeps what it is told."""

from typing import ClassVar

from model.alert import Alert
from model.alert_target import AlertError
from model.settings import PluginConfig


class ScriptedTarget:
    """Takes alerts; but for those whose key begins as ``refuses`` says.

    :ivar repeat_s: seconds after which it wants to be told again; 0: never.
    """

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.refuses = ""
        self.repeat_s = 0.0

    async def open(self) -> None:
        """Nothing."""

    async def send(self, alert: Alert, receipt: str) -> str:
        if self.refuses and alert.key.startswith(self.refuses):
            raise AlertError("not that", "never")
        self.alerts.append(alert)
        return receipt

    async def close(self) -> None:
        """Nothing."""
