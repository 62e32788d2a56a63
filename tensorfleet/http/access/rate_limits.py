"""How often one client may ask: token buckets in this process, by key or by address.

Several processes share nothing: each lets through what the settings say. What is remembered is bounded, so a flood of
addresses costs no more memory than KEPT of them; whoever was not seen for longest is forgotten first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send
from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

from tensorfleet.access.principal import EVERYONE, NOBODY, Principal
from tensorfleet.domain.errors import TooManyRequests
from tensorfleet.http.access.routes_table import Metered
from tensorfleet.http.addresses import address_of, counted_as
from tensorfleet.settings.limits import LimitSettings, Rate

KEPT: Final = 20_000
"""Clients whose buckets are kept, of each kind; about 6 MB."""
ANONYMOUS_RATE: Final = Rate(100, 3600)
DOWNLOAD_RATE: Final = Rate(10, 60)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one client stands with one limit; `retry_seconds` is 0 while there is something left."""

    name: str
    rate: Rate
    remaining: int
    reset_seconds: int
    retry_seconds: int


class _Buckets:
    def __init__(self, name: str, rate: Rate) -> None:
        self._name = name
        self._rate = rate
        quota = rate_limiter.per_duration(timedelta(seconds=rate.seconds), rate.requests, rate.requests)
        store = MemoryStore(options={"MAX_SIZE": KEPT})
        self._throttled = Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)

    def take(self, client: str) -> Standing:
        result = self._throttled.limit(client)
        state = result.state
        retry = max(1, math.ceil(state.retry_after)) if result.limited else 0
        remaining = 0 if result.limited else state.remaining
        return Standing(self._name, self._rate, remaining, math.ceil(state.reset_after), retry)


class RateLimits:
    """`by_default`: what is not set is limited as the contract says, not left open."""

    def __init__(self, settings: LimitSettings, *, by_default: bool) -> None:
        self._anonymous = _buckets("requests", settings.rate_limit, ANONYMOUS_RATE if by_default else None)
        self._keys = _buckets("requests", settings.key_rate_limit, None)
        self._downloads = _buckets("downloads", settings.download_rate_limit, DOWNLOAD_RATE if by_default else None)

    def take(self, scope: Scope, principal: Principal, metered: Metered) -> list[Standing]:
        """Take one request of `principal`'s, or of the address's if it has no name, from each bucket it needs.

        The last one says whether that was too much; nothing is taken from those after it.
        """
        if metered is Metered.NOT:
            return []
        client = client_of(scope, principal)
        wanted = [self._anonymous if is_anonymous(principal) else self._keys]
        if metered is Metered.DOWNLOAD and scope["method"] != "HEAD":
            wanted.append(self._downloads)
        found: list[Standing] = []
        for buckets in wanted:
            if buckets is not None:
                found.append(buckets.take(client))
                if found[-1].retry_seconds:
                    break
        return found


def is_anonymous(principal: Principal) -> bool:
    return principal is NOBODY or principal is EVERYONE


def client_of(scope: Scope, principal: Principal) -> str:
    """Whose limits count: those of the key, or of the address where there is none."""
    if is_anonymous(principal):
        return counted_as(address_of(scope))
    return f"key {principal.key_id or principal.actor}"


def _buckets(name: str, given: Rate | str | None, default: Rate | None) -> _Buckets | None:
    rate = default if given is None else given
    return _Buckets(name, rate) if isinstance(rate, Rate) else None


def refuse_too_many(standings: list[Standing]) -> None:
    """TooManyRequests, if the last one has nothing left."""
    if standings and standings[-1].retry_seconds:
        one = standings[-1]
        raise TooManyRequests(
            f"At most {one.rate.requests} {one.name} in {one.rate.seconds} s. Try again in {one.retry_seconds} s.",
            one.retry_seconds,
        )


def announcing(standings: list[Standing], send: Send) -> Send:
    """`send`, with what is left in the headers of the answer.

    `RateLimit` and `RateLimit-Policy` as in draft-ietf-httpapi-ratelimit-headers-10, and the three older names, which
    clients read, for the limit that has least left.
    """
    if not standings:
        return send
    least = min(standings, key=lambda one: one.remaining)

    async def announced(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"]]}
            headers = MutableHeaders(raw=message["headers"])
            headers["RateLimit-Policy"] = ", ".join(
                f'"{one.name}";q={one.rate.requests};w={one.rate.seconds}' for one in standings
            )
            headers["RateLimit"] = ", ".join(
                f'"{one.name}";r={one.remaining};t={one.retry_seconds or one.reset_seconds}' for one in standings
            )
            headers["RateLimit-Limit"] = str(least.rate.requests)
            headers["RateLimit-Remaining"] = str(least.remaining)
            headers["RateLimit-Reset"] = str(least.retry_seconds or least.reset_seconds)
        await send(message)

    return announced
