"""Who may ask: pure checks of what a request says, before anything is read for it."""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from web.config import WebConfig, endpoint
from web.refusal import RefusedError

_NO_PERMISSION: Final = "no_permission"
#: Characters of a name that a reverse proxy says at most.
_NAME: Final = 100


@dataclass(frozen=True)
class Asking:
    """What is known of a request.

    :param peer: address of the other end; ``own`` that of this end; texts.
    """

    headers: Mapping[str, str]
    peer: str
    own: str


class Access:
    """Checks requests.

    :param token: that each question must bring; empty: none.
    """

    def __init__(self, config: WebConfig, token: str) -> None:
        self._token = token.encode()
        self._header = config.proxy_header
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in config.proxies]
        self._names = {"localhost", endpoint(config.listen)[0], *(name.lower() for name in config.hosts)}

    def said(self, config: WebConfig) -> str:
        """How it is guarded, for the log."""
        if self._token:
            return "each question needs the token of web.token_file"
        if self._header:
            return f"each question needs the header {self._header} of a reverse proxy"
        return f"programs and people on this machine may read it ({config.listen} is not reached from others)"

    def check_page(self, asking: Asking) -> None:
        """The page itself, which holds no data: anybody who reaches it by its own name.

        :raises RefusedError: if a name server was made to lead here (DNS rebinding), or another site asks.
        """
        host = asking.headers.get("Host", "")
        if not self._is_own(host, asking.own):
            raise RefusedError(
                403,
                "forbidden_host",
                f"{host or 'no host'} is not a name of this server",
                "add it to web.hosts",
            )
        origin = asking.headers.get("Origin")
        site = asking.headers.get("Sec-Fetch-Site", "none")
        if (origin is not None and urlsplit(origin).netloc != host) or site == "cross-site":
            navigates = origin is None and asking.headers.get("Sec-Fetch-Mode") == "navigate"
            if not navigates:
                raise RefusedError(
                    403,
                    "forbidden_origin",
                    f"{origin or 'another site'} may not ask here",
                    "ask without a browser",
                )

    def check(self, asking: Asking) -> None:
        """A question.

        :raises RefusedError: as above, or if it has no token, or did not come by a proxy.
        """
        self.check_page(asking)
        if self._token:
            said = asking.headers.get("Authorization", "")
            kind, _, token = said.partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token):
                return
            if not self._by_proxy(asking):
                raise RefusedError(
                    401,
                    _NO_PERMISSION,
                    "this address needs a token",
                    "send it as Authorization: Bearer TOKEN",
                )
        elif self._header and not self._by_proxy(asking):
            raise RefusedError(
                401, _NO_PERMISSION, "this address is asked through a reverse proxy", "log in there"
            )

    def who(self, asking: Asking) -> str:
        """The name that a reverse proxy says; empty: the request did not come by one."""
        named = asking.headers.get(self._header, "").strip() if self._header else ""
        return named[:_NAME] if self._is_proxy(asking.peer) else ""

    def _by_proxy(self, asking: Asking) -> bool:
        return bool(self.who(asking))

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._proxies)

    def _is_own(self, host: str, own: str) -> bool:
        """Names that are configured, and the address itself: nobody can make another name lead to that one."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return bool(name) and (name in self._names or name == own.partition("%")[0].removeprefix("::ffff:"))
