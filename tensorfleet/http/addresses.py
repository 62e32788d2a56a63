"""Where a request comes from: the one place that knows, for limits and for records alike."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tensorfleet.settings.limits import Network

MOST_HOPS: Final = 20
"""Of X-Forwarded-For, the last ones count; what stands before is not looked at."""
_OF_ONE_SITE: Final = 64
"""Bits of an IPv6 address: whoever has one has all of such a network."""


def address_of(scope: Scope) -> str:
    """Who asks, without the port; empty if nobody knows."""
    client: Any = scope.get("client")
    return "" if client is None else str(client[0])


def counted_as(address: str) -> str:
    """What limits count by: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _OF_ONE_SITE), strict=False))
    return address if parsed is None else str(parsed)


class TrustedProxies:
    """Nobody else is believed about whom they speak for."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and self._holds(_parsed(address))

    def _holds(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)

    def client_of(self, peer: str, forwarded_for: list[str]) -> str:
        """The last address of X-Forwarded-For that is no trusted proxy, as those that are have seen it.

        What a proxy names that is no address tells nothing: then it is the proxy itself.
        """
        found = peer
        for text in reversed(",".join(forwarded_for).split(",")[-MOST_HOPS:]):
            address = _parsed(_without_port(text.strip()))
            if address is None:
                return found
            found = str(address)
            if not self._holds(address):
                return found
        return found


class ClientAddress:
    """ASGI middleware: from here on, the client of a request that a trusted proxy passes on is who asked it."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = address_of(scope)
        if peer in self._proxies:
            forwarded = Headers(scope=scope).getlist("x-forwarded-for")
            scope["client"] = (self._proxies.client_of(peer, forwarded), 0)
        await self._app(scope, receive, send)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, _ = text.partition(":")
    return host if colon and "." in host else text
