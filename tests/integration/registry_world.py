"""A registry whose log is already written and projected, without processes: its topics and its read models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import BSON
from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.mixed_log import SHARES, MixedLog
from tensorfleet.mongo.generations import Generations
from tensorfleet.mongo.projection_store import COLLECTIONS
from tensorfleet.projection.log_projection import DeadLetter
from tests.builders import CODEC
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import Content, no_dead_letters, projector_running, wait_for_checkpoints

EVENTS = 400
"""Of the world that the tests of several commands begin with."""


class RegistryWorld(KafkaWorld):
    """Two partitions; the home database has the registry's name."""

    def __init__(self, bootstrap: str, client: MongoClient[dict[str, Any]], mongodb_url: str) -> None:
        super().__init__(bootstrap, 2)
        self.client = client
        self.mongodb_url = mongodb_url
        self.home = self.topics.registry
        self.log = MixedLog(self.kafka, self.topics, CODEC, {**SHARES, "report": 15})

    def write(self, events: int) -> None:
        """Append a mix of events and project it into whatever is live."""
        self.log.write(events)
        self.project()

    def project(self, letters: list[DeadLetter] | None = None) -> None:
        """`letters` takes what can't be projected; without it, all must be."""
        bury = no_dead_letters if letters is None else letters.extend
        with projector_running(self.kafka, self.topics, self.mongodb_url, self.generations.live, bury):
            wait_for_checkpoints(self.live, self.ends())

    @property
    def generations(self) -> Generations:
        return Generations.of(self.client[self.home].generations.find_one({"_id": "live"}), self.home)

    @property
    def live(self) -> Database[dict[str, Any]]:
        return self.client[self.generations.live]

    def content(self, database: str) -> Content:
        """Every document's bytes, by collection."""
        held = self.client[database]
        return {name: [BSON.encode(one) for one in held[name].find().sort("_id", 1)] for name in sorted(COLLECTIONS)}

    def databases(self) -> set[str]:
        return {one for one in self.client.list_database_names() if one.startswith(self.home)}


@contextmanager
def registry_world(bootstrap: str, mongodb_url: str) -> Iterator[RegistryWorld]:
    with MongoClient[dict[str, Any]](mongodb_url) as client:
        world = RegistryWorld(bootstrap, client, mongodb_url)
        try:
            yield world
        finally:
            for one in world.databases():
                client.drop_database(one)
