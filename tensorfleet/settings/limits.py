"""The settings of what one client may take, and of whose word about addresses counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SECONDS: Final = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_SECONDS_OF_A_DAY: Final = {"d": 86_400, "day": 86_400}
OFF: Final = "off"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` at once, and that many again in each `seconds`."""

    requests: int
    seconds: int


def parse_rate(text: Any) -> Any:
    """A rate like 100/hour, or `off`; ValueError."""
    if isinstance(text, Rate) or text == OFF or text is None:
        return text
    match = re.fullmatch(r"\s*([1-9][0-9]{0,8})\s*/\s*([a-z]+)\s*", str(text).lower())
    seconds = match and (_SECONDS | _SECONDS_OF_A_DAY).get(match[2])
    if not match or not seconds:
        raise ValueError(f"is neither a rate like 100/hour or 10/min nor {OFF!r}")
    return Rate(int(match[1]), seconds)


def parse_networks(text: Any) -> Any:
    """Addresses and CIDRs, separated by commas; ValueError."""
    if not isinstance(text, str):
        return text
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise ValueError(f"is no list of addresses and CIDRs: {error}") from None


RateText = Annotated[Rate | str | None, BeforeValidator(parse_rate)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(parse_networks)]


class LimitSettings(BaseSettings):
    """All of it holds for one process; several share nothing.

    `rate_limit` is for each address that shows no key, `key_rate_limit` for each key, `download_rate_limit` for either.
    Connections of `trusted_proxies` count as theirs alone in total; who asks through them is in X-Forwarded-For.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    rate_limit: RateText = None
    key_rate_limit: RateText = OFF
    download_rate_limit: RateText = None
    max_connections: int = Field(default=4096, ge=1)
    max_connections_per_address: int = Field(default=2000, ge=1)
    max_uploads: int = Field(default=32, ge=1)
    trusted_proxies: Networks = ()
