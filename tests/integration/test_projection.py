"""The projection on the real MongoDB: each record once, the same bytes whatever the batches, never past a fence."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import BSON
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.errors import CheckpointTaken, CommitInterrupted, LogLost
from tensorfleet.domain.guard import NO_HASH
from tensorfleet.domain.names import model_id_of
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.projection_store import COLLECTIONS, ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import BatchProjection, Projected
from tests.builders import CODEC, MODEL_ID, Stream, envelope, lifecycle, registration

LOG, DOWNLOADS = "log-topic", "downloads-topic"


class World:
    """A projector's memory over a database of its own."""

    def __init__(self, url: str, store: ProjectionStore, database: str) -> None:
        self.store = store
        self.client: MongoClient[dict[str, Any]] = MongoClient(url)
        self.db: Database[dict[str, Any]] = self.client[database]
        self.checkpoints = {}
        for topic in ("log", "downloads"):
            one = store.checkpoint(Checkpoint(topic, 0, "cluster", "topic", 0, 0, bytes(32)))
            self.checkpoints[one.id] = one

    def project(self, records: list[Record]) -> Projected:
        done = BatchProjection(self.store, CODEC, LOG, self.checkpoints).project(records)
        if done.writes.checkpoints:
            self.store.commit(done.writes)
        self.checkpoints = done.checkpoints
        return done

    def content(self) -> dict[str, list[bytes]]:
        """Every document's bytes, by collection."""
        return {name: [BSON.encode(one) for one in self.db[name].find().sort("_id", 1)] for name in sorted(COLLECTIONS)}


@pytest.fixture
def worlds(mongodb_url: str) -> Iterator[Any]:
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make() -> World:
            database = f"t{uuid.uuid4().hex}"
            store = stack.enter_context(open_store(mongodb_url, database))
            store.prepare()
            world = World(mongodb_url, store, database)
            stack.callback(world.client.close)
            stack.callback(world.client.drop_database, database)
            return world

        yield make


def records(values: list[tuple[bytes, bytes]], topic: str = LOG) -> list[Record]:
    return [Record(topic, 0, offset, key, value, list) for offset, (key, value) in enumerate(values)]


def downloads(number: int) -> list[Record]:
    values = [
        CODEC.encode(envelope(e.ModelDownloaded("v1.0", "svm", 1), sequence=0, occurred_at=hour * 3_600_000_000))
        for hour in range(number)
    ]
    return records([(MODEL_ID.encode(), value) for value in values], DOWNLOADS)


def everything() -> list[Record]:
    """All that can happen to a model, also to one that is deleted, restored, deleted and registered again."""
    stream = lifecycle(["one", "two", "three"])
    for number in range(5):
        for name in ("one", "two"):
            stream.add(c.ReportMetrics({"loss": 1 / (number + 1), "n": number % 2}, 9 - number, step=number), name)
            stream.add(c.ReportMetrics({"n": float(number % 3)}, 5, source="production"), name)
    for command in (c.DeleteModel(), c.RestoreModel(), c.DeleteModel(), registration("two", tags=("again",))):
        stream.add(command, "two")
    stream.add(c.DeleteModel(), "three")
    return records(stream.values) + downloads(7)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_the_documents_do_not_depend_on_the_batches(worlds: Any, size: int) -> None:
    whole, pieces = worlds(), worlds()
    whole.project(everything())
    for start in range(0, len(everything()), size):
        pieces.project(everything()[start : start + size])
    assert pieces.content() == whole.content()
    assert whole.db.models.count_documents({"deleted": False}) == 2
    assert whole.db.search.count_documents({}) == 2
    assert [one["count"] for one in whole.db.metric_series.find({"metric": "n"})] == [10, 10]
    assert whole.db.download_counters.find_one({"_id": MODEL_ID})["downloads"] == 7


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_batch_is_folded_while_the_one_before_it_is_not_yet_written(worlds: Any, size: int) -> None:
    whole, ahead = worlds(), worlds()
    whole.project(everything())
    unfinished = None
    for start in range(0, len(everything()), size):
        batch = BatchProjection(ahead.store, CODEC, LOG, ahead.checkpoints, unfinished)
        done = batch.project(everything()[start : start + size])
        if unfinished is not None:
            ahead.store.commit(unfinished)
        unfinished, ahead.checkpoints = done.writes, done.checkpoints
    ahead.store.commit(unfinished)
    assert ahead.content() == whole.content()


def test_records_that_come_again_change_nothing(worlds: Any) -> None:
    world, log = worlds(), records(lifecycle(["one"]).values) + downloads(3)
    world.project(log)
    before = world.content()
    assert world.project(log).writes.checkpoints == []
    assert world.content() == before


@pytest.mark.parametrize("topic", [LOG, DOWNLOADS])
def test_a_hole_in_the_offsets_stops_the_projection_before_it_writes(worlds: Any, topic: str) -> None:
    world = worlds()
    log = records(lifecycle(["one"]).values) if topic == LOG else downloads(5)
    before = world.content()
    with pytest.raises(LogLost, match="jumps from offset 2 to 3"):
        world.project([*log[:2], *log[3:]])
    assert world.content() == before


def test_statistics_count_what_there_is(worlds: Any) -> None:
    world, stream = worlds(), lifecycle(["one", "two"])
    stream.add(c.DeleteModel(), "two")
    world.project(records(stream.values))
    one = world.db.statistics.find_one({"_id": 0})
    assert (one["models"], one["algorithms"], one["statuses"]["active"]) == (1, [["svm", 1]], 1)
    assert (one["files"], one["total_size_bytes"]) == (1, len(b"one"))


def test_the_counters_of_facets_say_how_many_models_have_each(worlds: Any) -> None:
    world = worlds()
    world.project(everything())
    kept = {one["_id"].removeprefix("0:"): one["models"] for one in world.db.facet_counts.find()}
    assert {name: count for name, count in kept.items() if count} == Counter(
        facet for model in world.db.models.find() for facet in model["facets"]
    )
    assert kept[""] == 2 and kept["t:again"] == 1 and 0 in kept.values()


def test_a_fenced_owners_records_change_nothing(worlds: Any) -> None:
    world, stream = worlds(), Stream()
    stream.add(registration())
    newer = Stream(epoch=2)
    late = CODEC.encode(envelope(e.ModelDeleted(), sequence=2, epoch=1))
    log = [*stream.values, *newer.values, (MODEL_ID.encode(), late)]
    verdicts = world.project(records(log)).verdicts
    assert verdicts == {"claim": 2, "accepted": 1, "stale": 1}
    assert world.db.models.find_one({"_id": MODEL_ID})["deleted"] is False


def test_what_can_not_be_decoded_is_a_dead_letter_and_the_rest_goes_on(worlds: Any) -> None:
    world, stream = worlds(), Stream()
    stream.raw(b"x", b"garbage")
    stream.add(registration())
    done = world.project(records(stream.values))
    assert [(one.reason, one.record.offset) for one in done.dead_letters] == [("undecodable", 1)]
    assert world.db.models.count_documents({}) == 1
    assert done.checkpoints["log:0"].next_offset == 3


def test_an_event_that_does_not_fit_parks_its_model_alone(worlds: Any) -> None:
    world, stream = worlds(), Stream()
    ghost = CODEC.encode(envelope(e.ModelDeleted(), model_id="f" * 24, model_name="ghost"))
    stream.raw(b"f" * 24, ghost)
    stream.add(registration())
    done = world.project(records(stream.values))
    assert [one.reason for one in done.dead_letters] == ["unprojectable"]
    assert world.db.parked.find_one()["_id"] == "f" * 24
    assert world.db.models.count_documents({}) == 1


def parked_log() -> list[Record]:
    """One model has an event that fits nothing, another a record that is none; both go on, and a third is well."""
    stream = Stream()
    ghost, broken = "f" * 24, model_id_of("broken")
    previous = NO_HASH
    for sequence in (1, 2, 3):
        value = CODEC.encode(
            envelope(e.ModelDeleted(), model_id=ghost, sequence=sequence, previous_hash=previous, model_name="ghost")
        )
        previous = hashlib.sha256(value).digest()
        stream.raw(ghost.encode(), value)
    stream.add(registration("broken"), "broken")
    stream.raw(broken.encode(), b"garbage")
    stream.add(c.CreateVersion(), "broken")
    stream.add(registration("well"), "well")
    stream.raw(b"no model", b"garbage")
    return records(stream.values)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_what_waits_behind_a_bad_record_does_not_depend_on_the_batches(worlds: Any, size: int) -> None:
    whole, pieces, log = worlds(), worlds(), parked_log()
    expected = [(one.reason, one.record.offset) for one in whole.project(log).dead_letters]
    found = []
    for start in range(0, len(log), size):
        found += [(one.reason, one.record.offset) for one in pieces.project(log[start : start + size]).dead_letters]
    letters = [
        ("unprojectable", 1),
        ("parked", 2),
        ("parked", 3),
        ("undecodable", 5),
        ("parked", 6),
        ("undecodable", 8),
    ]
    assert sorted(found, key=lambda one: one[1]) == sorted(expected, key=lambda one: one[1]) == letters
    assert pieces.content() == whole.content()
    assert {one["name"]: one["sequence"] for one in pieces.db.models.find()} == {"broken": 1, "well": 1}


def test_an_impossible_version_parks_its_model(worlds: Any) -> None:
    world, stream = worlds(), Stream()
    stream.add(registration())
    impossible = e.ModelVersioned("one", "v1.0", False, None, None, None, None, None, {}, {}, {})
    previous = hashlib.sha256(stream.values[-1][1]).digest()
    second = envelope(impossible, sequence=2, previous_hash=previous)
    stream.raw(MODEL_ID.encode(), CODEC.encode(second))
    done = world.project(records(stream.values))
    assert [one.reason for one in done.dead_letters] == ["unprojectable"]
    assert world.db.models.find_one({"_id": MODEL_ID})["sequence"] == 1


@pytest.mark.timeout(30)  # without help, MongoDB keeps the lock for a minute and more
def test_a_transaction_that_a_dead_projector_left_open_keeps_nobody_waiting(mongodb_url: str, worlds: Any) -> None:
    world, log = worlds(), records(lifecycle(["one"]).values)
    dead = ProjectionStore(MongoClient(mongodb_url), world.db.name)
    dead.checkpoint(world.checkpoints["log:0"].beginning)
    dead._session.start_transaction()
    dead._db.checkpoints.update_one({"_id": "log:0"}, {"$set": {"next_offset": 99}}, session=dead._session)

    world.checkpoints = {key: world.store.checkpoint(one.beginning) for key, one in world.checkpoints.items()}
    world.project(log)
    assert world.store.checkpoint(world.checkpoints["log:0"].beginning).next_offset == len(log)


def test_a_projector_whose_transactions_are_ended_again_and_again_gets_through(worlds: Any) -> None:
    """As a batch or its commit may be interrupted, and as it may just have been committed by then."""
    whole, harried, stop = worlds(), worlds(), threading.Event()
    whole.project(everything())
    beginnings = harried.checkpoints

    def harry() -> None:
        while not stop.is_set():
            harried.client.admin.command("killSessions", [harried.store._session.session_id])

    interrupted = 0
    with ThreadPoolExecutor(1) as pool:
        harrying = pool.submit(harry)
        try:
            while (start := harried.checkpoints["log:0"].next_offset) < whole.checkpoints["log:0"].next_offset:
                try:
                    harried.project(everything()[start : start + 1])
                except CommitInterrupted:
                    interrupted += 1
                    harried.checkpoints = {key: harried.store.checkpoint(one) for key, one in beginnings.items()}
                if interrupted == 5:
                    stop.set()
        finally:
            stop.set()
        harrying.result()
    harried.project(downloads(7))
    assert interrupted
    assert harried.content() == whole.content()


def test_a_projector_that_was_overtaken_writes_nothing(worlds: Any) -> None:
    world, log = worlds(), records(lifecycle(["one"]).values)
    frozen = dict(world.checkpoints)
    world.project(log[:3])
    before = world.content()
    world.checkpoints = frozen
    with pytest.raises(CheckpointTaken):
        world.project(log)
    assert world.content() == before


def test_of_two_projectors_with_the_same_batch_the_second_is_told_of_the_first(worlds: Any) -> None:
    """Both folded it before either wrote: what is new to both, only one can write."""
    world, log = worlds(), records(lifecycle(["one"]).values)
    world.project(log[:3])
    first, second = (BatchProjection(world.store, CODEC, LOG, world.checkpoints).project(log[3:]) for _ in "ab")
    world.store.commit(first.writes)
    before = world.content()
    with pytest.raises(CheckpointTaken):
        world.store.commit(second.writes)
    assert world.content() == before


def test_a_batch_that_fails_halfway_moves_no_checkpoint(worlds: Any) -> None:
    world, log = worlds(), records(lifecycle(["one"]).values)
    world.project(log[:3])
    done = BatchProjection(world.store, CODEC, LOG, world.checkpoints).project(log)
    done.writes.history.append(done.writes.history[0])
    before = world.content()
    with pytest.raises(BulkWriteError):
        world.store.commit(done.writes)
    assert world.content() == before


def test_projectors_that_start_at_the_same_moment_prepare_one_database(mongodb_url: str, worlds: Any) -> None:
    name = worlds().db.name
    with open_store(mongodb_url, f"{name}-new") as store, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for done in [pool.submit(store.prepare) for _ in range(4)]:
                done.result()
            worlds().client.drop_database(f"{name}-new")
