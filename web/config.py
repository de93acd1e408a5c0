"""Where the map is served, and who may ask."""

import ipaddress
from typing import Annotated, Literal

import msgspec


class WebConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The API and the page.

    :param enabled: whether ``tailrace run`` serves them; ``auto``: where it can; ``on``: or the start is refused.
    :param listen: address and port. Loopback needs no password; any other address needs ``token_file`` or
        ``proxy_header``.
    :param token_file: a file with a token that each question must bring (``Authorization: Bearer``); empty for none.
    :param proxy_header: a header in which a reverse proxy says who asks: questions without it are refused, and those
        that do not come from one of ``proxies``; empty for none.
    :param proxies: addresses or networks of reverse proxies.
    :param hosts: names under which it is reached, beside its own addresses and ``localhost``.
    :param tls_certificate: PEM file for HTTPS; ``tls_key`` its key. Empty: HTTP.
    :param requests_per_second: of one address, on average; ten seconds' worth may come at once.
    :param query_seconds: after which a question is refused as too slow.
    :param queries: that are worked on at once.
    :param streams: live maps that are open at once.
    :param changes: whether incidents can be acknowledged and silenced here, by whoever may ask.
    :param url: under which people reach it, for links in alerts; empty: as ``listen`` says.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    listen: str = "127.0.0.1:8686"
    token_file: str = ""
    proxy_header: str = ""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    hosts: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 20
    query_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10
    queries: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    streams: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 32
    changes: Literal["on", "off"] = "on"
    url: str = ""

    def __post_init__(self) -> None:
        host, port = endpoint(self.listen)
        if not host or port is None:
            raise ValueError("write web.listen as address:port, such as 127.0.0.1:8686 or [::1]:8686")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("write web.url as https://NAME/PATH")
        for proxy in self.proxies:
            ipaddress.ip_network(proxy, strict=False)
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("web.tls_certificate and web.tls_key go together")
        if not self.is_loopback and not (self.token_file or self.proxy_header):
            raise ValueError(
                f"web.listen is {self.listen}, which others can reach: name a token_file or a proxy_header, "
                "or listen on 127.0.0.1"
            )

    @property
    def address(self) -> str:
        """Of the page, as links have it; without a slash at its end."""
        scheme = "https" if self.tls_certificate else "http"
        return self.url.rstrip("/") or f"{scheme}://{self.listen}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        host, _ = endpoint(self.listen)
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def endpoint(listen: str) -> tuple[str, int | None]:
    """Address and port; an IPv6 address without its brackets. Without a port it is None."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return host, None
    return host.removeprefix("[").removesuffix("]"), int(port)
