"""Poison in the log: every fold parks the same models at the same records, and a discard lets the same ones go on."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from tensorfleet.audit.findings import Findings
from tensorfleet.audit.log import LogAudit
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.domain.model import DeletedModel, LiveModel
from tensorfleet.domain.names import model_id_of
from tensorfleet.events.envelope import Envelope
from tensorfleet.events.fold import LogFold
from tensorfleet.events.snapshot import Origin, dump, load
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.projection.batch import BatchProjection
from tensorfleet.projection.replay import replay
from tests.builders import CODEC, Stream, blob, envelope, registration
from tests.contract.test_wire import HOSTILE
from tests.integration.test_projection import LOG, World, records, worlds

__all__ = ["worlds"]

NAMES = ("unfoldable", "unreadable", "never", "mixed", "late", "ghost", "well", "again")
REASON = "nobody can read it"


def discard(stream: Stream, first: int, last: int, name: str) -> None:
    stream.event(e.ParkedRecordsDiscarded(first, last, REASON), name)


def at(stream: Stream) -> int:
    return len(stream.values)


def unfoldable(stream: Stream) -> None:
    stream.add(registration("unfoldable"), "unfoldable")
    first = at(stream)
    stream.event(e.ModelRegistered("v1.0", "svm", "", "", (), "", {}, {}, {}), "unfoldable")
    stream.event(e.ModelArchived(None), "unfoldable")
    discard(stream, first, first + 1, "unfoldable")
    stream.add(c.CreateVersion(), "unfoldable")
    stream.event(e.ModelVersionDeleted("v1.0", "v1.0", None), "unfoldable")


def unreadable(stream: Stream) -> None:
    stream.add(registration("unreadable"), "unreadable")
    first = at(stream)
    stream.raw(model_id_of("unreadable").encode(), b"garbage")
    stream.add(c.ArchiveModel(), "unreadable")
    discard(stream, first, first + 1, "unreadable")
    stream.models[model_id_of("unreadable")] = live(stream, "well")
    stream.add(c.CreateVersion(), "unreadable")


def live(stream: Stream, name: str) -> LiveModel:
    model = stream.models[model_id_of(name)]
    assert isinstance(model, LiveModel)
    return model


def never_registered(stream: Stream) -> None:
    """Its stream has a head before it has a model, through a second accident too."""
    first = at(stream)
    stream.event(e.ModelDeleted(), "never")
    discard(stream, first, first, "never")
    stream.raw(model_id_of("never").encode(), b"garbage")
    discard(stream, first + 2, first + 2, "never")
    stream.add(registration("never"), "never")


def mixed(stream: Stream) -> None:
    """Both kinds of poison, a discard that came too early, a fenced owner's record, then the right discard."""
    stream.add(registration("mixed"), "mixed")
    stream.add(c.AttachFile(blob()), "mixed")
    first = at(stream)
    stream.event(e.ModelArchived("v9.9"), "mixed")
    stream.raw(model_id_of("mixed").encode(), CODEC.encode(e_of("mixed"))[:-1])
    discard(stream, first, first, "mixed")
    stream.claim(2)
    stream.raw(model_id_of("mixed").encode(), CODEC.encode(e_of("mixed")))
    discard(stream, first, first + 2, "mixed")
    stream.add(c.DeleteModel(), "mixed")


def e_of(name: str) -> Envelope:
    return envelope(e.ModelDeleted(), model_id=model_id_of(name), model_name=name)


def poisoned() -> Stream:
    """Poison of every kind; two models stay parked, for nobody has discarded what parks them, or too little of it."""
    stream = Stream()
    stream.add(registration("well"), "well")
    unfoldable(stream)
    unreadable(stream)
    never_registered(stream)
    mixed(stream)
    stream.raw(b"no model", b"garbage")
    stream.event(e.ModelArchived(None), "ghost")
    stream.claim(3)
    discard(stream, at(stream) - 1, at(stream) - 1, "ghost")
    stream.event(e.ParkedRecordsDiscarded(1, 1, REASON), "well")
    stream.add(registration("again"), "again")
    stream.add(c.DeleteModel(), "again")
    stream.event(e.ModelVersioned("v2.0", "v1.0", True, None, None, None, None, None, {}, {}, {}), "again")
    return stream


PARKED = {model_id_of(name) for name in ("unfoldable", "ghost", "well", "again")}


def folded(log: list[tuple[bytes, bytes]], cut: int) -> LogFold:
    """The fold of the whole log, by way of a snapshot after `cut` records."""
    fold = LogFold(CODEC)
    for offset, (key, value) in enumerate(log[:cut]):
        fold.apply(offset, key, value)
    origin = Origin("cluster", "topic", 0)
    resumed = LogFold(CODEC)
    resumed.restore(load(dump(origin, fold.state(), []), origin)[0])
    for offset, (key, value) in enumerate(log[cut:], cut):
        resumed.apply(offset, key, value)
    return resumed


def shown(fold: LogFold) -> dict[str, tuple[Any, ...]]:
    """What the read models should say of each model that was ever registered."""
    found = {}
    for model_id in map(model_id_of, NAMES):
        model = fold.model(model_id)
        if isinstance(model, LiveModel | DeletedModel):
            was = model.was if isinstance(model, DeletedModel) else model
            found[model_id] = (isinstance(model, DeletedModel), str(was.status), sorted(map(str, was.versions)))
    return found


def projected(world: World) -> dict[str, tuple[Any, ...]]:
    versions: dict[str, list[str]] = {}
    for one in world.db.versions.find({"deleted": False}):
        versions.setdefault(one["model_id"], []).append(one["version"])
    return {one["_id"]: (one["deleted"], one["status"], sorted(versions[one["_id"]])) for one in world.db.models.find()}


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_every_fold_parks_and_unparks_the_same_models_whatever_the_batches(worlds: Any, size: int) -> None:
    log = poisoned().values
    expected = folded(log, len(log))
    assert set(expected.parked) == PARKED
    for cut in range(len(log)):
        resumed = folded(log, cut)
        assert (resumed.parked, resumed.guard, shown(resumed)) == (expected.parked, expected.guard, shown(expected))

    whole, pieces = worlds(), worlds()
    letters = [(one.reason, one.record.offset) for one in whole.project(records(log)).dead_letters]
    found = []
    for start in range(0, len(log), size):
        found += [
            (one.reason, one.record.offset) for one in pieces.project(records(log)[start : start + size]).dead_letters
        ]
    assert found == letters == sorted(letters, key=lambda one: one[1])
    assert pieces.content() == whole.content()
    ahead, unfinished = worlds(), None
    for start in range(0, len(log), size):
        batch = BatchProjection(ahead.store, CODEC, LOG, ahead.checkpoints, unfinished)
        done = batch.project(records(log)[start : start + size])
        if unfinished is not None:
            ahead.store.commit(unfinished)
        unfinished, ahead.checkpoints = done.writes, done.checkpoints
    ahead.store.commit(unfinished)
    assert ahead.content() == whole.content()
    waiting = {one["_id"]: (one["offset"], one["last_offset"]) for one in whole.db.parked.find()}
    assert waiting == {key: (one.first_offset, one.last_offset) for key, one in expected.parked.items()}
    assert projected(whole) == shown(expected)
    for one in whole.db.models.find({"_id": {"$nin": list(PARKED)}}):
        assert (one["sequence"], one["head_hash"]) == (
            expected.head(one["_id"]).sequence,
            expected.head(one["_id"]).hash,
        )


def test_a_projector_that_was_overtaken_by_a_replay_writes_nothing(worlds: Any) -> None:
    world, stream = worlds(), Stream()
    stream.add(registration("well"), "well")
    stream.raw(model_id_of("well").encode(), b"garbage")
    log = [StoredRecord(0, offset, key, value) for offset, (key, value) in enumerate(stream.values)]
    stream.add(c.ArchiveModel(), "well")
    world.project(records(stream.values)[:-1])
    frozen = BatchProjection(world.store, CODEC, LOG, world.checkpoints).project(records(stream.values)[-1:])
    [parked] = world.db.parked.find()
    done = replay(world.store, CODEC, LOG, parked, log[parked["offset"] :], world.checkpoints["log:0"])
    assert done.still is not None and done.still["offset"] == parked["offset"]
    world.store.commit(done.writes)
    before = world.content()
    with pytest.raises(CheckpointTaken):
        world.store.commit(frozen.writes)
    assert world.content() == before


def test_an_audit_takes_what_was_discarded_for_explained() -> None:
    stream = Stream()
    stream.add(registration("well"), "well")
    unreadable(stream)
    never_registered(stream)
    mixed(stream)
    findings = audited(stream.values)
    assert findings.violations == []
    assert findings.counts["records discarded by an operator"] == 5
    stream.raw(model_id_of("well").encode(), b"garbage")
    assert [(one.kind, one.where) for one in audited(stream.values).violations] == [
        ("unreadable", f"0:{at(stream) - 1}")
    ]


def audited(log: list[tuple[bytes, bytes]]) -> Findings:
    findings = Findings()
    audit = LogAudit(CODEC, findings, 1, [OffsetRange(0, 0, len(log))], None)
    for offset, (key, value) in enumerate(log):
        audit.add(StoredRecord(0, offset, key, value))
    audit.finish()
    return findings


def test_hostile_records_cost_no_fold_more_memory_than_they_have_bytes(worlds: Any) -> None:
    """Lengths of 100 MB that are only claimed, unknown schemas, cut and trailing bytes, thousands of nested levels."""
    stream = Stream()
    stream.add(registration("well"), "well")
    size = 0
    good = stream.values[-1][1]
    nested = [good[:5] + bytes([2]) * 50_000, good[:-1] + b"\x02" * 50_000, b"\0\0\0\0\x03" + b"\xff" * 50_000]
    for number, value in enumerate([*(one for _, one in HOSTILE if len(one) < 2**20), *nested] * 20):
        stream.raw(model_id_of(f"victim {number}").encode(), value)
        size += len(value)
    stream.add(c.ArchiveModel(), "well")
    world, log = worlds(), stream.values
    tracemalloc.start()
    try:
        fold = LogFold(CODEC)
        for offset, (key, value) in enumerate(log):
            fold.apply(offset, key, value)
        done = world.project(records(log))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * size + 8 * 2**20
    assert len(done.dead_letters) == len(fold.parked) == len(log) - 3
    assert world.db.models.find_one({"_id": model_id_of("well")})["status"] == "archived"
    assert {one["_id"] for one in world.db.parked.find()} == set(fold.parked)
