"""What MongoDB does for every read of the query API, asked of its profiler, on what the projector made of a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pytest

from benchmarks.mixed_log import MixedLog
from devstack.stack import NativeStack
from tensorfleet.domain.names import model_id_of
from tensorfleet.http.times import time_text
from tensorfleet.kafka.record_lookup import RecordLookup
from tensorfleet.mongo.download_windows import WindowUpkeep
from tensorfleet.mongo.read_models import SCAN_MILLISECONDS
from tests.builders import CODEC
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.integration.query_world import HOUR, NOW, World, world

EVENTS, SECONDS_APART, PARTITIONS = 6_000, 300, 2
SHARES: Final = {"register": 10, "version": 10, "update": 10, "report": 20, "download": 50}
BEGAN: Final = NOW - EVENTS * SECONDS_APART * 1_000_000
THEN: Final = quote(time_text(NOW - (NOW - BEGAN) // 10))
ID, OTHER, FILED = (model_id_of(name) for name in ("model_000003", "model_000004", "filed"))
NO_DOCUMENTS: Final = {
    "/schemas/ids/{schema_id}",
    "/schemas/types",
    "/subjects",
    "/subjects/{subject}/versions",
    "/subjects/{subject}/versions/{version}",
    "/config",
    "/mode",
    "/api/v1/models/{model_id}/download-url",  # off by default; what it looks up is what a download looks up
}
A_DOCUMENT_FOR_EACH_PARTITION: Final = {"statistics", "checkpoints", "generations"}
ADDED_UP: Final = {"IXSCAN { hour: 1 }": 7 * 24 * PARTITIONS, "IXSCAN { partition: 1, offset: 1 }": 256}
"""By plan, how many keys at most: hours of seven days; events since a copy of the statistics was kept."""
SPARE: Final = 40
HOURS: Final = EVENTS * SECONDS_APART // 3600
IN_WORDS: Final = quote("metrics.accuracy > 0.9 AND name LIKE '%7'")


@dataclass(frozen=True)
class Read:
    """`looks_through`: collections of which it may have to see more than twice what it shows, for a bounded time.

    Of each it may need SPARE keys more: a range has one beyond its end, for example. `sums_hours`: what was downloaded
    of each model that it shows is the sum of the model's hours.
    """

    target: str
    looks_through: frozenset[str] = frozenset()
    sums_hours: bool = False


def through(target: str, *collections: str, sums_hours: bool = False) -> Read:
    return Read(target, frozenset(collections), sums_hours)


READS: Final[dict[str, list[Read]]] = {
    "/api/v1/models": [
        Read(""),
        Read("?limit=100"),
        Read("?limit=10&page=3"),
        Read("?tags=fraud&sort=name"),
        Read("?algorithm=SVM&status=active&sort=updated_at&order=asc"),
        Read("?sort=download_count"),
        Read("?sort=download_count&order=asc"),
        through("?sort=download_count&algorithm=SVM", "models"),
        through("?sort=metrics.accuracy", "models"),
        through("?algorithm=SVM&sort=metrics.accuracy&order=asc", "models"),
        through("?min_accuracy=0.9", "models"),
        through("?min_metric.accuracy=0.2&max_metric.accuracy=0.3", "models"),
        through("?algorithm=SVM&tags=fraud&created_by=ann", "models"),
        through("?tags=fraud,prod", "models"),
        through(f"?filter={IN_WORDS}", "models"),
        Read(f"?as_of={THEN}", sums_hours=True),
        through(f"?as_of={THEN}&sort=name", "models", sums_hours=True),
        through(f"?as_of={THEN}&sort=download_count", "models", sums_hours=True),
        through(f"?as_of={THEN}&min_accuracy=0.9", "models", sums_hours=True),
    ],
    "/api/v1/models/search": [
        Read("?q=model_000003"),
        through("?q=model_0000", "search"),
        through("?q=fraud&sort=name&algorithm=SVM", "search"),
    ],
    "/api/v1/models/popular": [*(Read(f"?window={window}") for window in ("all", "24h", "7d", "30d"))],
    "/api/v1/models/recent": [Read(""), Read("?limit=100")],
    "/api/v1/models/compare": [Read(f"?ids={ID},{OTHER},{ID}@v1.0")],
    "/api/v1/models/statistics": [Read(""), through(f"?as_of={THEN}", "models", "download_hours")],
    "/api/v1/statistics": [Read(""), through(f"?as_of={THEN}", "models", "download_hours")],
    "/api/v1/models/{model_id}": [Read(""), Read("?version=v1.0"), Read(f"?as_of={THEN}")],
    "/api/v1/models/by-name/{name}": [Read(""), Read(f"?as_of={THEN}")],
    "/api/v1/models/{model_id}/info": [Read(""), Read("?version=v1.0")],
    "/api/v1/models/{model_id}/versions": [Read(""), Read(f"?as_of={THEN}")],
    "/api/v1/models/{model_id}/versions/{version}": [Read(""), Read(f"?as_of={THEN}")],
    "/api/v1/models/{model_id}/download": [Read(""), Read("?version=v1.0")],
    "/api/v1/models/{model_id}/history": [Read(""), Read("?limit=3")],
    "/api/v1/models/{model_id}/verify": [Read("")],
    "/api/v1/models/{model_id}/downloads": [Read("?window=24h"), Read("?window=30d&bucket=day")],
    "/api/v1/models/{model_id}/metrics/history": [Read(""), Read("?name=loss")],
    "/api/v1/audit": [
        Read(""),
        Read("?type=ModelVersioned"),
        Read("?actor=anonymous"),
        Read("?actor=anonymous&type=ModelVersioned&order=asc"),
        Read(f"?from={THEN}&to={quote(time_text(NOW))}"),
        Read(f"?model_id={ID}"),
    ],
}


@pytest.fixture(scope="module")
def http(stack: NativeStack) -> Iterator[World]:
    kafka = KafkaWorld(stack.kafka_bootstrap, PARTITIONS)
    MixedLog(kafka.kafka, kafka.topics, CODEC, SHARES, BEGAN).write(EVENTS, SECONDS_APART)
    records = RecordLookup(kafka.kafka, kafka.topics.log, "test")
    with world(stack.mongodb_url, topics=kafka.topics, records=records) as one:
        with projector_running(kafka.kafka, kafka.topics, stack.mongodb_url, one.db.name):
            wait_for_checkpoints(one.db, kafka.ends())
        one.model("filed", files={"v1.0": b"content"})
        upkeep = WindowUpkeep(one.db)
        while upkeep.tend(NOW // HOUR):
            pass
        yield one


def profiled(http: World, target: str) -> list[dict[str, Any]]:
    """What MongoDB was asked for to answer `target`, with what it looked at."""
    http.get(target)  # a plan is chosen by trying some, once
    http.db.command("profile", 2)
    try:
        answer = http.get(target)
    finally:
        http.db.command("profile", 0)
    found = list(
        http.db["system.profile"].find(
            {"ns": {"$ne": f"{http.db.name}.system.profile"}, "planSummary": {"$exists": True}}
        )
    )
    http.db.drop_collection("system.profile")
    assert answer.status == 200, answer.body
    return found


def test_every_read_has_its_plan_looked_at(http: World) -> None:
    paths = http.get("/openapi.json").json["paths"]
    assert {path for path, operations in paths.items() if "get" in operations} == READS.keys() | NO_DOCUMENTS


@pytest.mark.parametrize(
    ("path", "read"),
    [(path, read) for path, reads in READS.items() for read in reads],
    ids=lambda one: str(getattr(one, "target", one)),
)
def test_a_read_looks_at_little_more_than_it_shows(http: World, path: str, read: Read) -> None:
    model_id = FILED if path.endswith(("/info", "/download")) else ID
    place = path.format(model_id=model_id, name="model_000003", version="v1.0")
    asked = profiled(http, place + read.target)
    assert asked
    for one in asked:
        collection = one["ns"].split(".", 1)[1]
        told = (collection, one["planSummary"], one["keysExamined"], one["docsExamined"], one["nreturned"])
        if collection in read.looks_through:
            bound = one["originatingCommand" if one["op"] == "getmore" else "command"].get("maxTimeMS")
            assert bound == SCAN_MILLISECONDS, told
        elif one["planSummary"] in ADDED_UP:
            assert one["keysExamined"] <= ADDED_UP[one["planSummary"]], told
        elif read.sums_hours and collection == "download_hours":
            assert one["keysExamined"] <= HOURS * 20 and "COLLSCAN" not in one["planSummary"], told
        elif collection not in A_DOCUMENT_FOR_EACH_PARTITION:
            assert "COLLSCAN" not in one["planSummary"], told
            assert max(one["keysExamined"], one["docsExamined"]) <= 2 * one["nreturned"] + SPARE, told
