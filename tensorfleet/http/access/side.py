"""What guards the app of a service, put together: keys, tokens, and the record of who was refused."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from tensorfleet.access.audit import Tally
from tensorfleet.access.key_table import KeyTable
from tensorfleet.access.keys import AccessKey, KeyUse, hash_of
from tensorfleet.access.principal import Principal
from tensorfleet.domain.errors import Forbidden, SettingsInvalid
from tensorfleet.events.access import AccessCodec
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.topics import Topics
from tensorfleet.http.access.denial_routes import AccessReads, Found, denial_routes
from tensorfleet.http.access.guard import Guard
from tensorfleet.http.access.key_routes import KeyLog, issuing_routes, key_list_routes
from tensorfleet.http.access.rate_limits import RateLimits
from tensorfleet.http.access.routes_table import Public
from tensorfleet.kafka import configuration
from tensorfleet.kafka.access import AuditTopic, KeyTopic
from tensorfleet.kafka.access_reads import KafkaAccessReads
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.process import Lifeline
from tensorfleet.settings import Settings
from tensorfleet.settings.access import AccessSettings

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Authentication:
    """Keys of ours, and tokens of an OIDC provider if there is one: `token` tells whose one is, or raises Denied."""

    table: KeyTable
    token: Callable[[str, int], Principal] | None

    def authenticate(self, text: str, now: int) -> Principal:
        if self.token is not None and text.startswith("eyJ") and text.count(".") == 2:
            return self.token(text, now)
        return self.table.authenticate(text, now)

    def still_counts(self, principal: Principal, now: int) -> bool:
        return self.table.still_counts(principal, now)


class AuthenticationOff:
    """Stands where keys and denials would be written and read."""

    async def put(self, key: AccessKey) -> None:
        raise Forbidden("Authentication is off (ENABLE_AUTH).")

    async def before(self, end: int | None) -> tuple[list[Found], int]:
        return [], 0


@dataclass(frozen=True, slots=True)
class AccessSide:
    """`guard` is None, and `table` empty, while authentication is off."""

    guard: Guard | None
    limits: RateLimits
    table: KeyTable
    log: KeyLog
    reads: AccessReads

    def still_counts(self, principal: Principal) -> bool:
        """Whether what began with this principal may go on."""
        return self.guard is None or self.guard.authenticator.still_counts(principal, now())

    def command_routes(self) -> APIRouter:
        return issuing_routes(self.table, self.log, now)

    def query_routes(self) -> tuple[APIRouter, ...]:
        return key_list_routes(self.table, now), denial_routes(self.reads)


@asynccontextmanager
async def access_side(
    settings: Settings, topics: Topics, catalogue: Catalogue, lifeline: Lifeline, client_id: str
) -> AsyncIterator[AccessSide]:
    """Know every key before the first request; put on record, at the end, what was counted until then."""
    for one in settings.warnings:
        _LOG.warning("%s", one)
    limits = RateLimits(settings, by_default=settings.enable_auth)
    if not settings.enable_auth:
        off = AuthenticationOff()
        yield AccessSide(None, limits, KeyTable(b"", lambda use: None), off, off)
        return
    if settings.admin_api_key is None:
        raise SettingsInvalid("ENABLE_AUTH is true and ADMIN_API_KEY is missing.")
    async with AsyncExitStack() as stack:
        token = await _token_check(settings, lifeline)
        codec, tally = AccessCodec(catalogue), Tally(now)
        producer = LoopProducer(configuration.producer(settings.kafka, client_id))
        stack.push_async_callback(producer.close)

        def used(use: KeyUse) -> None:
            topic.used(use)

        table = KeyTable(hash_of(settings.admin_api_key.get_secret_value()), used)
        topic = KeyTopic(settings.kafka, topics, client_id, table, codec, producer, lifeline.fail)
        audit = AuditTopic(topics, tally, codec, producer)
        stack.callback(audit.flush)
        stack.push_async_callback(topic.stop)
        await topic.start()
        lifeline.spawn(audit.run())
        guard = Guard(Authentication(table, token), tally, opened_by(settings))
        yield AccessSide(guard, limits, table, topic, KafkaAccessReads(settings.kafka, topics, client_id, codec))


def opened_by(settings: AccessSettings) -> frozenset[Public]:
    """What the settings open to all."""
    public = {Public.DOCS: settings.public_docs, Public.METRICS: settings.public_metrics}
    return frozenset(name for name, is_open in public.items() if is_open)


async def _token_check(settings: Settings, lifeline: Lifeline) -> Callable[[str, int], Principal] | None:
    if not settings.oidc_issuer:
        return None
    from tensorfleet.http.access.oidc import OidcTokens  # 11 MB of cryptography, for those who use it

    tokens = OidcTokens(settings)
    await tokens.start()
    lifeline.spawn(tokens.run())
    return tokens.principal


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
