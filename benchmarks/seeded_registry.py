"""A registry of so many models, as a busy one would have become: events in the log, and the real projector."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pymongo import MongoClient

from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from devstack.stack import NativeStack
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain import commands as c
from tensorfleet.domain.decider import decide
from tensorfleet.domain.guard import NO_HASH
from tensorfleet.domain.model import INITIAL
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics

ALGORITHMS: Final = ("RandomForest", "XGBoost", "LogisticRegression", "ResNet", "LightGBM", "SVM")
TAGS: Final = ("fraud", "production", "nightly", "vision", "tabular", "text", "candidate")
ALIKE: Final = 20
"""So many models share a word that no others have: `batch<number // ALIKE>` in their descriptions."""
QUERY_API: Final = "query_api"
ANEW: Final = "query_api.anew"
"""A query API that makes each answer anew."""
_START: Final = 1_760_000_000_000_000
_IDLE_SECONDS: Final = 120.0


def name_of(number: int) -> str:
    """Of the model that was registered after `number` others; the same for every size of registry."""
    return f"{ALGORITHMS[number % len(ALGORITHMS)]}_{number:07d}"


@contextmanager
def seeded_registry(stack: NativeStack, models: int, name: str = "seeded") -> Iterator[Registry]:
    """Its projector and its query APIs run, and the read models contain all `models`. Its log must be new."""
    own = {ANEW: {"KEPT_ANSWERS": "0"}}
    registry = Registry(stack, f"{name}-{models}", ("projector", QUERY_API, ANEW), own=own)
    kafka, topics = {"bootstrap.servers": stack.kafka_bootstrap}, Topics(registry.id)
    prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    _make_bucket(stack, registry.id)
    records = SeededLog(kafka, topics, Codec(Catalogue())).seed(models)
    with registry, MongoClient[dict[str, Any]](stack.mongodb_url) as client:
        _wait(client[registry.database], records)
        yield registry


class SeededLog(MixedLog):
    """Registrations alone. The fields of a model depend on its number only."""

    def seed(self, models: int) -> int:
        """The number of records written: a claim for each partition, and the registrations."""
        partitions = self._topics.partitions
        for partition in range(partitions):
            claim = OwnershipClaimed("http://127.0.0.1", "benchmark")
            self._send(self._event("", 0, claim), self._topics.log, partition)
        for number in range(models):
            name = name_of(number)
            model_id = model_id_of(name)
            event = decide(registration(number), INITIAL, model_id)
            envelope = self._event(name, number, event)
            self._send(envelope, self._topics.log, partition_of(model_id, partitions))
        self._flush()
        return models + partitions

    def _event(self, name: str, number: int, event: object) -> Envelope:
        event_id = f"{number:08x}-0000-7000-8000-000000000000"
        return Envelope(
            epoch=1,
            sequence=1 if name else 0,
            model_id=model_id_of(name) if name else "",
            event_id=event_id,
            command_id=event_id.replace("-", ""),
            previous_hash=NO_HASH,
            model_name=name,
            command_hash=None,
            occurred_at=_START + number * 1_000_000,
            actor="anonymous",
            event=event,  # type: ignore[arg-type]
        )


def registration(number: int) -> c.RegisterModel:
    chance = random.Random(number)
    fields = c.ModelFields(
        ALGORITHMS[number % len(ALGORITHMS)],
        "scikit-learn",
        f"Finds what it was trained for. Of batch{number // ALIKE}.",
        tuple(chance.sample(TAGS, 2)),
        f"author{chance.randrange(100)}",
    )
    metrics = {"accuracy": round(chance.uniform(0.5, 1), 4), "f1": round(chance.uniform(0.5, 1), 4)}
    version = c.VersionFields(
        {"n_estimators": 200, "max_depth": chance.randrange(4, 20)}, metrics, {"name": "payments", "rows": 120_000}
    )
    return c.RegisterModel(name_of(number), fields, version)


def _make_bucket(stack: NativeStack, name: str) -> None:
    """The command API would, which is not needed here, and would replay the log first."""
    store = MinioBlobStore.connect(
        stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, name, secure=False
    )
    asyncio.run(store.ensure_bucket())
    store.close()


def _wait(database: Any, records: int) -> None:
    """Until the checkpoints contain so many records of the log; TimeoutError if they stand still for long."""
    seen, moved = -1, time.monotonic()
    while seen < records:
        found = sum(one["next_offset"] for one in database["checkpoints"].find({"_id": {"$regex": "^log:"}}))
        if found != seen:
            seen, moved = found, time.monotonic()
        elif time.monotonic() - moved > _IDLE_SECONDS:
            raise TimeoutError(f"The projection stands still at {seen} of {records} records.")
        time.sleep(0.2)
