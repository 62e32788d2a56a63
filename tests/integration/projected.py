"""Runs the real projector over a world's topics into a database of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bson import BSON
from pymongo import MongoClient

from services.projector.consumer import Projector
from services.projector.replays import Replays
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.projection_store import COLLECTIONS
from tests.builders import CODEC

Content = dict[str, list[bytes]]


def project(kafka: dict[str, str], topics: Topics, mongodb_url: str, ends: dict[str, int]) -> Content:
    """Every document's bytes, by collection, once the checkpoints are at `ends`; without cluster and topic ids.

    The database has the registry's name and is dropped at the end.
    """
    with projector_running(kafka, topics, mongodb_url), MongoClient[dict[str, Any]](mongodb_url) as client:
        database = client[topics.registry]
        try:
            wait_for_checkpoints(database, ends)
            return {name: _documents(database[name]) for name in sorted(COLLECTIONS)}
        finally:
            client.drop_database(database)


def wait_for_checkpoints(database: Any, ends: dict[str, int]) -> None:
    """MongoDB tells of each change: to ask without pause would take the processor from who is waited for."""
    deadline = time.monotonic() + 60
    with database.checkpoints.watch(max_await_time_ms=1000) as changes:
        while {one["_id"]: one["next_offset"] for one in database.checkpoints.find()} != ends:
            assert time.monotonic() < deadline, list(database.checkpoints.find())
            changes.try_next()


def _documents(collection: Any) -> list[bytes]:
    found = list(collection.find().sort("_id", 1))
    for one in found:
        for identity in ("cluster_id", "topic_id"):
            one.pop(identity, None)
    return [BSON.encode(one) for one in found]


def no_dead_letters(letters: list[Any]) -> None:
    raise AssertionError(letters)


@contextmanager
def projector_running(
    kafka: dict[str, str],
    topics: Topics,
    mongodb_url: str,
    database: str | None = None,
    bury: Callable[[list[Any]], None] = no_dead_letters,
    codec: Codec = CODEC,
    instance: str | None = None,
) -> Iterator[None]:
    """`database`: instead of one that has the registry's name. `instance`: as `configuration.member` has it."""
    identity = prepare_topics(configuration.admin(kafka, "test"), topics.specs, 1)
    stopping = threading.Event()
    with open_store(mongodb_url, database or topics.registry) as store:
        store.prepare()
        config = configuration.member(kafka, "test", topics.group("projector"), instance)
        replays = Replays(TopicReader(kafka, topics.log, "test"), codec)
        projector = Projector(
            config, topics, identity, store, codec, Metrics(), bury, stopping.wait, lambda: None, replays
        )
        thread = threading.Thread(target=projector.run)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
