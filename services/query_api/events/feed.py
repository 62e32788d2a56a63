"""The routes of the feed with everything behind them, put together once for the query API and the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from services.query_api.cursors import Cursors
from services.query_api.events.places import Places
from services.query_api.events.routes import event_routes
from services.query_api.events.streams import EventStreams
from services.query_api.gate import ReadGate
from services.query_api.ports import PositionWaiter
from services.query_api.settings import QuerySettings
from tensorfleet.access.principal import Principal
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.event_stream import OpenStreams
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.feed import KafkaFeed
from tensorfleet.process import Lifeline


@dataclass(frozen=True, slots=True)
class EventFeed:
    """`streams` must be ended when the process is asked to stop: they would not end by themselves."""

    routes: APIRouter
    streams: EventStreams


@asynccontextmanager
async def event_feed(
    settings: QuerySettings,
    topics: Topics,
    codec: Codec,
    waiter: PositionWaiter,
    metrics: Metrics,
    lifeline: Lifeline,
    client_id: str,
    still_counts: Callable[[Principal], bool],
) -> AsyncIterator[EventFeed]:
    feed = KafkaFeed(settings.kafka, topics, f"{client_id}.feed")
    open_streams = OpenStreams(metrics)
    places = Places(Cursors(settings.cursor_key), topics.feed, topics.partitions)
    streams = EventStreams(feed, codec, places, open_streams)
    gate = ReadGate(waiter, settings.projection_wait, topics.partitions)
    running = lifeline.spawn(streams.run())
    try:
        most = settings.max_page_size
        yield EventFeed(event_routes(gate, streams, open_streams, places, most, still_counts), streams)
    finally:
        running.cancel()
        await streams.close()
        feed.close()
