"""Reads about downloads, over documents that the projection itself made, against a naive count in Python."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from services.query_api.figures import popular
from services.query_api.figures.popular import candidates, most_downloaded
from services.query_api.figures.rankings import newest_versions
from services.query_api.lists.by_downloads import walk
from services.query_api.lists.filters import Filters
from services.query_api.lists.ordering import Ordering
from services.query_api.lists.selection import Slice, model_query
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.names import model_id_of
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.download_windows import DOWNLOAD_WINDOWS, WindowUpkeep, hours_of_models
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import BatchProjection
from tests.builders import CODEC, Stream, envelope, registration
from tests.integration.query_world import HOUR, NOW, World, world
from tests.integration.query_world import walk as all_pages

MODELS = "/api/v1/models"
LOG, DOWNLOADS = "log-topic", "downloads-topic"
WINDOWS = {"24h": 24, "7d": 168, "30d": 720}


@dataclass
class Truth:
    """What was told, counted without any cleverness. `live`: by name, when it was registered."""

    live: dict[str, int] = field(default_factory=dict)
    downloads: list[tuple[str, int]] = field(default_factory=list)

    def popular(self, since: int, limit: int) -> list[tuple[str, int]]:
        found = Counter(name for name, hour in self.downloads if hour > since and name in self.live)
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))[:limit]

    def by_downloads(self, sign: int) -> list[str]:
        found = Counter(name for name, _ in self.downloads)
        return sorted(self.live, key=lambda one: (sign * found[one], -self.live[one], model_id_of(one)))


class Projection:
    """Feeds one partition of a database batch by batch, the log and the downloads apart, as far as each is told."""

    def __init__(self, store: ProjectionStore) -> None:
        self.store = store
        self.stream = Stream()
        self.downloads: list[bytes] = []
        ones = [store.checkpoint(Checkpoint(topic, 0, "c", "t", 0, 0, bytes(32))) for topic in ("log", "downloads")]
        self.checkpoints = {one.id: one for one in ones}

    def project(self, *, log: bool = True, downloads: bool = True) -> None:
        records = [
            Record(topic, 0, offset, key, value, list)
            for topic, values, wanted in (
                (LOG, self.stream.values, log),
                (DOWNLOADS, [(b"key", value) for value in self.downloads], downloads),
            )
            for offset, (key, value) in enumerate(values)
            if wanted
        ]
        done = BatchProjection(self.store, CODEC, LOG, self.checkpoints).project(records)
        if done.writes.checkpoints:
            self.store.commit(done.writes)
        self.checkpoints = done.checkpoints


@pytest.fixture
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        yield one


@pytest.mark.parametrize("seed", [1, 2])
def test_every_answer_is_exact_whatever_happens(mongodb_url: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, truth = random.Random(seed), Truth()
    monkeypatch.setattr(popular, "_SPARE", 1)
    clock = [int(time.time()) // 3600 * HOUR - 40 * HOUR + 7]
    with world(mongodb_url, clock=lambda: clock[0]) as one, open_store(mongodb_url, one.db.name) as store:
        store.prepare()
        projection, upkeep = Projection(store), WindowUpkeep(one.db)
        for _ in range(12):
            for _ in range(chance.randrange(8)):
                _change_a_model(chance, truth, projection, clock[0])
            for _ in range(chance.randrange(25)):
                _download_a_model(chance, truth, projection, clock[0])
            if chance.random() < 0.5:
                projection.project(log=False)  # the downloads may be ahead of the log, and models unknown to it
            projection.project()
            if chance.random() < 0.4:
                upkeep.tend(clock[0] // HOUR)
            monkeypatch.setattr(popular, "MOST_STALE", chance.choice((0, 3_000)))
            _compare(one, truth, clock[0], chance)
            clock[0] += chance.choice((0, 1, 5, 11)) * HOUR + 17


def _change_a_model(chance: random.Random, truth: Truth, projection: Projection, now: int) -> None:
    name = f"m{chance.randrange(16)}"
    at = now - chance.randrange(9 * 24) * HOUR
    stream = projection.stream
    if name in truth.live:
        if chance.random() < 0.4:
            stream.add(c.DeleteModel(), name)
            del truth.live[name]
        return
    stream.add(registration(name, tags=("odd",) if int(name[1:]) % 2 else ()), name, occurred_at=at)
    truth.live[name] = at


def _download_a_model(chance: random.Random, truth: Truth, projection: Projection, now: int) -> None:
    """Also of deleted models; some come late, about when they leave a window."""
    name = f"m{chance.randrange(16)}"
    age = chance.choice((0, 1, 23, 24, 25, 167, 168, 169, 690, 719, 720, 721)) - chance.randrange(2)
    at = now - max(age, 0) * HOUR
    event = e.ModelDownloaded("v1.0", "svm", 1)
    one = envelope(event, sequence=0, occurred_at=at, model_id=model_id_of(name), model_name=name)
    projection.downloads.append(CODEC.encode(one))
    truth.downloads.append((name, at // HOUR))


def _compare(one: World, truth: Truth, now: int, chance: random.Random) -> None:
    for window, hours in {**WINDOWS, "all": now}.items():
        for limit in (1, chance.randrange(2, 9), 100):
            rows = one.get(f"{MODELS}/popular?window={window}&limit={limit}").json["models"]
            expected = truth.popular(now // HOUR - hours, limit)
            assert [(row["name"], row["downloads"]) for row in rows] == expected, (window, limit)
    for order, sign in (("desc", -1), ("asc", 1)):
        query, expected_names = f"{MODELS}?sort=download_count&order={order}", truth.by_downloads(sign)
        assert all_pages(one, f"{query}&limit=3") == expected_names
        assert one.names(f"{query}&limit=5&page=2") == expected_names[5:10]
        odd = [name for name in expected_names if int(name[1:]) % 2]
        assert all_pages(one, f"{query}&limit=3&tags=odd") == odd
    figures, words = one.get(f"{MODELS}/statistics").json, one.get("/api/v1/statistics").json["recent_activity"]
    recent, today, hour = figures["recent_activity"], now // (24 * HOUR), now // HOUR
    assert figures["total_downloads"] == len(truth.downloads)
    assert recent["downloads_last_24_hours"] == sum(at > hour - 24 for _, at in truth.downloads)
    assert words["models_downloaded_today"] == sum(at >= today * 24 for _, at in truth.downloads)
    assert recent["models_added_last_7_days"] == sum(at >= now - 168 * HOUR for at in truth.live.values())
    assert words["models_created_today"] == sum(at >= today * 24 * HOUR for at in truth.live.values())


def test_filters_walk_the_counters_when_they_leave_many_models(
    registry: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.query_api.lists.by_downloads.FEW", 2)
    for number in range(9):
        model_id = registry.model(f"m{number}", tags=["odd"] if number % 2 else [], created_at=NOW + number)
        registry.downloaded(model_id, number // 3 or 0) if number > 2 else None
    query = f"{MODELS}?sort=download_count&limit=2&tags=odd"
    assert all_pages(registry, query) == ["m7", "m5", "m3", "m1"]
    assert registry.names(f"{query}&page=2") == ["m3", "m1"]
    assert all_pages(registry, f"{query}&order=asc") == ["m1", "m5", "m3", "m7"]
    assert [one["download_count"] for one in registry.get(query).json["models"]] == [2, 1]


def test_a_query_reads_little_more_of_its_index_than_it_shows(registry: World) -> None:
    for number in range(60):
        model_id = registry.model(f"m{number:02}", created_at=NOW - number)
        registry.downloaded(model_id, 1 + number % 3)
    last = registry.db.download_windows.find_one({"name": "m30"})
    everything = Filters((), (), (), ranged=False, given={})
    keys_of = {way: (("_downloads", way), ("created_at", -1), ("_id", 1)) for way in (1, -1)}
    most, least = (model_query(everything, Ordering("", (), keys_of[way])) for way in (-1, 1))
    first, behind = Slice(10, 1, None), Slice(10, 2, [2, NOW - 31, model_id_of("m31")])
    shapes: list[tuple[str, Sequence[Any], str]] = [
        ("download_counters", most_downloaded(10), "popular"),
        ("download_counters", walk(most, first), "most"),
        ("download_counters", walk(least, first), "least"),
        ("download_counters", walk(most, behind), "most"),
        ("download_counters", walk(least, behind), "least most"),
        ("versions", newest_versions(10, 12), "newest"),
        (DOWNLOAD_WINDOWS, candidates("day", None, 10), "day"),
        (DOWNLOAD_WINDOWS, candidates("week", last, 10), "week"),
        (DOWNLOAD_WINDOWS, candidates("month", last, 10), "month"),
        (DOWNLOAD_WINDOWS, hours_of_models([model_id_of("m1")], NOW // HOUR), "_id_"),
        ("download_totals", [{"$match": {"hour": {"$gt": NOW // HOUR - 24}}}], "hour"),
        ("download_totals", [{"$match": {"hour": None}}], "hour"),
        ("registration_hours", [{"$match": {"hour": {"$gte": NOW // HOUR - 24}}}], "hour"),
    ]
    for collection, stages, index in shapes:
        indexes, keys, returned = _explained(registry, collection, stages)
        assert indexes and indexes <= set(index.split()), (collection, stages, indexes)
        assert keys <= 2 * returned + 2, (collection, stages, keys, returned)


def _explained(registry: World, collection: str, stages: Sequence[Any]) -> tuple[set[str], int, int]:
    """The indexes that give the documents, how many of their keys were read, and how many documents came of it."""
    command = {"aggregate": collection, "pipeline": list(stages), "cursor": {}}
    told = registry.db.command({"explain": command, "verbosity": "executionStats"})
    cursor = told["stages"][0]["$cursor"] if "stages" in told else told
    names, sorts = set(), []

    def visit(one: Any) -> None:
        if isinstance(one, dict):
            if one.get("stage") == "IXSCAN":
                names.add(one["indexName"])
            if one.get("stage") in ("SORT", "COLLSCAN"):
                sorts.append(one["stage"])
            for member in one.values():
                visit(member)
        elif isinstance(one, list):
            for member in one:
                visit(member)

    visit(cursor["queryPlanner"]["winningPlan"])
    assert not sorts, (collection, stages, sorts)
    stats = cursor["executionStats"]
    return names, stats["totalKeysExamined"], stats["nReturned"]


def test_a_series_has_every_bucket_of_its_window(registry: World) -> None:
    model_id, other = registry.model("m"), registry.model("n")
    for times, hours_ago in ((1, 0), (2, 1), (4, 23), (8, 24), (16, 24 * 8), (32, 24 * 40)):
        registry.downloaded(model_id, times, hours_ago)
    registry.downloaded(other, 1000)

    def series(query: str) -> dict[str, Any]:
        answer = registry.get(f"{MODELS}/{model_id}/downloads{query}")
        assert answer.status == 200, answer.body
        return dict(answer.json)

    hours = series("?window=24h&bucket=hour")
    assert {name: hours[name] for name in ("id", "name", "window", "bucket", "total")} == {
        "id": model_id,
        "name": "m",
        "window": "24h",
        "bucket": "hour",
        "total": 7,
    }
    assert [one["downloads"] for one in hours["series"]] == [4, *[0] * 21, 2, 1]
    assert hours["series"][-1]["start"] == "2026-11-21T17:00:00.000000Z"
    days = series("?window=24h&bucket=day")
    assert days["series"] == [
        {"start": "2026-11-20T00:00:00.000000Z", "downloads": 4},
        {"start": "2026-11-21T00:00:00.000000Z", "downloads": 3},
    ]
    assert (series("?window=7d")["total"], len(series("?window=7d&bucket=hour")["series"])) == (15, 168)
    assert series("") == series("?window=30d&bucket=day")
    assert (series("")["total"], len(series("")["series"])) == (31, 31)
    whole = series("?window=all&bucket=hour")
    assert (whole["total"], len(whole["series"]), whole["series"][0]["downloads"]) == (63, 24 * 40 + 1, 32)
    assert len(series("?window=all")["series"]) == 41


def test_a_series_that_would_be_too_long_is_refused_with_advice(registry: World) -> None:
    model_id, never = registry.model("m"), registry.model("never")
    registry.downloaded(model_id, 1, 4999)
    path = f"{MODELS}/{model_id}/downloads?window=all"
    assert len(registry.get(f"{path}&bucket=hour").json["series"]) == 5000
    registry.downloaded(model_id, 1, 5000)
    refused = registry.get(f"{path}&bucket=hour")
    assert (refused.status, refused.json["code"]) == (422, "invalid")
    assert "bucket=day" in refused.json["errors"][0]["message"]
    assert registry.get(path).json["total"] == 2
    assert registry.get(f"{MODELS}/{never}/downloads?window=all").json["series"] == [
        {"start": datetime.fromtimestamp(NOW // 10**6, UTC).strftime("%Y-%m-%dT00:00:00.000000Z"), "downloads": 0}
    ]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("{id}/downloads?window=1h", 422),
        ("{id}/downloads?bucket=week", 422),
        ("{id}/downloads?bucket=", 422),
        ("{id}/downloads?window=24h&window=7d", 422),
        ("{id}/downloads?limit=5", 422),
        ("{id}/downloads?window=%FF", 400),
        ("{gone}/downloads", 404),
        ("ffffffffffffffffffffffff/downloads", 404),
        ("x/downloads", 404),
    ],
)
def test_a_series_refuses_what_it_does_not_know(registry: World, target: str, status: int) -> None:
    ids = {"id": registry.model("m"), "gone": registry.model("gone", deleted=True)}
    assert registry.get(f"{MODELS}/{target.format(**ids)}").status == status
