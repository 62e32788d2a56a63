"""The check of one model's stream: a stream that is right passes, and each kind of forgery is named where it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tensorfleet.audit.stream import START, Link, Problem, StreamCheck
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.events import ParkedRecordsDiscarded
from tensorfleet.domain.versions import FIRST
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.projection.documents import ModelDocuments, history_entry
from tests.builders import CODEC, MODEL_ID, Stream, blob, registration, scan_of

Document = dict[str, Any]
PARTITION = 3
NOBODY = "00000000-0000-7000-8000-000000000000"


@dataclass
class Told:
    """A stream as Kafka has it (`values`, by offset) and as MongoDB tells of it; a test forges either."""

    values: dict[int, bytes | None] = field(default_factory=dict)
    entries: list[Document] = field(default_factory=list)
    model: Document = field(default_factory=dict)
    versions: dict[str, Document] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: Stream, discarded: tuple[int, ...] = ()) -> Told:
        """What the projector makes of it. Records at offsets that are `discarded` leave no trace in MongoDB."""
        told = cls()
        for offset, (key, value) in enumerate(stream.values):
            if key == MODEL_ID.encode() and offset not in discarded:
                told.add(CODEC.decode(value), value, offset)
        return told

    def add(self, one: Envelope, value: bytes, offset: int) -> None:
        digest, position = hashlib.sha256(value).digest(), Position(PARTITION, offset)
        self.values[offset] = value
        self.entries.append(history_entry(one, position, digest, [], None))
        documents = ModelDocuments(dict(self.model) or None, lambda number: dict(self.versions[number]))
        if not isinstance(one.event, ParkedRecordsDiscarded):
            documents.apply(one, position, digest)
        elif self.model:
            documents.move_to(one, position, digest)
        self.model = documents.model or {}
        self.versions.update(documents.changed_versions)

    def put(self, index: int, value: bytes) -> None:
        """Other bytes for an entry's record, and in the history the hash that they have."""
        self.values[self.entries[index]["offset"]] = value
        self.entries[index]["hash"] = hashlib.sha256(value).hexdigest()

    def rewrite(self, index: int, **members: Any) -> None:
        """Another envelope in an entry's record, which its hash in the history fits."""
        value = self.values[self.entries[index]["offset"]]
        assert value is not None
        self.put(index, CODEC.encode(CODEC.decode(value)._replace(**members)))

    def first_problem(self, first: int = 0, last: int | None = None) -> Problem | None:
        """Of a check that begins with entry `first`; without `last` it goes on to the documents."""
        start = START if first == 0 else link(self.entries[first - 1])
        check = StreamCheck(CODEC, MODEL_ID, PARTITION, start)
        for entry in self.entries[first:last]:
            offset = entry["offset"]
            problem = check.add(entry, self.values.get(offset), offset in self.values)
            if problem is not None:
                return problem
        return check.finish(self.model, list(self.versions.values())) if last is None else None


def link(entry: Document) -> Link:
    return Link(entry["sequence"], entry["hash"])


def plain() -> Told:
    """Seven events: 1 registered, 2 a file, 3 a verdict, 4 v1.1, 5 v1.0 archived, 6 deprecated, 7 a tag."""
    stream = Stream()
    for command in (
        registration(description="first"),
        c.AttachFile(blob()),
        scan_of(blob()),
        c.CreateVersion(version_fields=c.VersionFields(metrics={"auc": 0.5})),
        c.ArchiveModel(FIRST),
        c.DeprecateModel("old"),
        c.UpdateModel(c.ModelFields(tags=("a",))),
    ):
        stream.add(command)
    return Told.of(stream)


def after_a_discard() -> Told:
    """1 registered, 2 does not fold and is parked with the garbage after it, 3 discards both, 4 archived."""
    stream = Stream()
    stream.add(registration())
    stream.event(e.ModelArchived("v9.9"))
    stream.raw(MODEL_ID.encode(), b"garbage")
    stream.event(ParkedRecordsDiscarded(2, 3, "nobody can read it"))
    stream.add(c.ArchiveModel())
    return Told.of(stream, discarded=(2, 3))


def ended_with_a_discard() -> Told:
    stream = Stream()
    stream.add(registration())
    stream.event(e.ModelArchived("v9.9"))
    stream.event(ParkedRecordsDiscarded(2, 2, "there is no such version"))
    return Told.of(stream, discarded=(2,))


def begun_with_a_discard() -> Told:
    stream = Stream()
    stream.event(e.ModelDeleted())
    stream.event(ParkedRecordsDiscarded(1, 1, "there was no model"))
    stream.add(registration())
    return Told.of(stream, discarded=(1,))


def after_garbage_alone() -> Told:
    """The discard of a record that nobody can decode is the very next of the event before."""
    stream = Stream()
    stream.add(registration())
    stream.raw(MODEL_ID.encode(), b"garbage")
    stream.event(ParkedRecordsDiscarded(2, 2, "nobody can read it"))
    stream.add(c.ArchiveModel())
    return Told.of(stream, discarded=(2,))


RIGHT = [plain, after_a_discard, ended_with_a_discard, begun_with_a_discard, after_garbage_alone]


@pytest.mark.parametrize("make", RIGHT)
def test_a_stream_that_is_right_passes_as_a_whole_and_from_any_place(make: Callable[[], Told]) -> None:
    told = make()
    assert [told.first_problem(first) for first in range(len(told.entries) + 1)] == [None] * (len(told.entries) + 1)


Forgery = Callable[[Told], Any]
FORGERIES: dict[str, tuple[Callable[[], Told], Forgery, tuple[str, int, Any, Any]]] = {
    "an entry is gone": (plain, lambda t: t.entries.pop(3), ("entry-missing", 4, 4, 5)),
    "the first entry is gone": (plain, lambda t: t.entries.pop(0), ("entry-missing", 1, 1, 2)),
    "an entry says another sequence": (plain, lambda t: t.entries[3].update(sequence=9), ("entry-missing", 4, 4, 9)),
    "an entry comes twice": (plain, lambda t: t.entries.insert(3, t.entries[2]), ("entry-missing", 4, 4, 3)),
    "a discard comes twice": (
        after_a_discard,
        lambda t: t.entries.insert(2, t.entries[1]),
        ("entry-missing", 4, 4, 3),
    ),
    "the entry behind discarded records is gone": (
        after_a_discard,
        lambda t: t.entries.pop(1),
        ("entry-missing", 2, 2, 4),
    ),
    "Kafka has no record there": (plain, lambda t: t.values.pop(4), ("record-missing", 4, "own hash", None)),
    "the record has no value": (plain, lambda t: t.values.update({4: None}), ("altered", 4, "own hash", ...)),
    "one byte of the record is another": (
        plain,
        lambda t: t.values.update({1: (t.values[1] or b"").replace(b"first", b"firsu")}),
        ("altered", 1, "own hash", ...),
    ),
    "the history has another hash": (
        plain,
        lambda t: t.entries[3].update(hash="0" * 64),
        ("altered", 4, "0" * 64, ...),
    ),
    "bytes that are no record, and their hash": (plain, lambda t: t.put(3, b"\0" * 9), ("unreadable", 4, None, ...)),
    "the record names another one before it": (
        plain,
        lambda t: t.rewrite(3, previous_hash=b"\x01" * 32),
        ("chain", 4, ..., "01" * 32),
    ),
    "the record before was rewritten, and its hash": (
        plain,
        lambda t: t.rewrite(2, actor="tester", command_id="11" * 16),
        ("chain", 4, ..., ...),
    ),
    "a discard that leaps over nothing names another one before it": (
        after_garbage_alone,
        lambda t: t.rewrite(1, previous_hash=b"\x01" * 32),
        ("chain", 2, ..., "01" * 32),
    ),
    "what follows a discard names another one before it": (
        after_a_discard,
        lambda t: t.rewrite(2, previous_hash=b"\x01" * 32),
        ("chain", 4, ..., "01" * 32),
    ),
    "the record is another model's": (
        plain,
        lambda t: t.rewrite(3, model_id="f" * 24),
        ("record", 4, [MODEL_ID, 4], ["f" * 24, 4]),
    ),
    "the record has another sequence": (
        plain,
        lambda t: t.rewrite(3, sequence=5),
        ("record", 4, [MODEL_ID, 4], [MODEL_ID, 5]),
    ),
    "a record that is no discard leaps": (
        after_a_discard,
        lambda t: (t.entries.pop(1), t.entries[1].update(type="ParkedRecordsDiscarded")),
        ("entry", 4, ..., ...),
    ),
    "a record that no model can have": (
        plain,
        lambda t: t.rewrite(3, event=e.ModelDownloaded("v1.0", "svm", 1)),
        ("unprojectable", 4, None, "ModelDownloaded is not an event of a model"),
    ),
    "an event that does not fit": (
        plain,
        lambda t: retold(t, 6, event=e.ModelArchived("v9.9")),
        ("unprojectable", 7, None, "ModelArchived for the unknown version v9.9"),
    ),
    **{
        f"the entry has another {name}": (
            plain,
            lambda t, name=name, value=value: t.entries[1].update({name: value}),  # type: ignore[misc]
            ("entry", 2, ..., ...),
        )
        for name, value in {
            "type": "ModelDeleted",
            "actor": "somebody",
            "occurred_at": 1,
            "event_id": NOBODY,
            "version": "v9.9",
            "model_id": "f" * 24,
            "partition": 0,
        }.items()
    },
    "the entry has no actor": (plain, lambda t: t.entries[1].pop("actor"), ("entry", 2, ..., ...)),
    "the newest event is not in the model's document": (
        plain,
        lambda t: t.model.update(sequence=6),
        ("read-model", 6, ..., ...),
    ),
    "the last entry is gone": (plain, lambda t: t.entries.pop(), ("read-model", 7, ..., ...)),
    "the head is another": (plain, lambda t: t.model.update(head_hash=bytes(32)), ("read-model", 7, ..., ...)),
    "a field of the model": (
        plain,
        lambda t: t.model.update(tags=["b"]),
        ("read-model", 7, {"document": MODEL_ID, "tags": ["a"]}, {"document": MODEL_ID, "tags": ["b"]}),
    ),
    "a field of the model is gone": (
        plain,
        lambda t: t.model.pop("description"),
        (
            "read-model",
            7,
            {"document": MODEL_ID, "description": "first"},
            {"document": MODEL_ID, "description": None},
        ),
    ),
    "a version's verdict": (
        plain,
        lambda t: t.versions["v1.0"].update(corrupt=True),
        (
            "read-model",
            7,
            {"document": f"{MODEL_ID}@v1.0", "corrupt": False},
            {"document": f"{MODEL_ID}@v1.0", "corrupt": True},
        ),
    ),
    "a version is gone": (plain, lambda t: t.versions.pop("v1.1"), ("read-model", 7, ..., ...)),
    "a version that no event made": (
        plain,
        lambda t: t.versions.update({"v3.0": {**t.versions["v1.1"], "_id": f"{MODEL_ID}@v3.0"}}),
        ("read-model", 7, {"document": f"{MODEL_ID}@v3.0"}, {"document": f"{MODEL_ID}@v3.0"}),
    ),
}


def retold(told: Told, index: int, event: e.Event) -> None:
    """The record and all that is told of it say another event."""
    told.rewrite(index, event=event)
    told.entries[index].update(type=type(event).__name__, version=getattr(event, "version", None))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_named_where_it_is(name: str) -> None:
    make, forge, (what, sequence, expected, found) = FORGERIES[name]
    told = make()
    own_hash = told.entries[sequence - 1]["hash"] if sequence <= len(told.entries) else None
    forge(told)
    problem = told.first_problem()
    assert problem is not None
    assert (problem.what, problem.sequence) == (what, sequence), problem
    if expected is not ...:
        assert problem.expected == (own_hash if expected == "own hash" else expected)
    if found is not ...:
        assert problem.found == found


def test_a_problem_names_the_position_of_its_record() -> None:
    told = plain()
    told.entries[3]["hash"] = "0" * 64
    problem = told.first_problem()
    assert problem is not None and problem.position == f"{PARTITION}:{told.entries[3]['offset']}"


def test_a_check_that_begins_behind_a_place_holds_the_next_record_to_it() -> None:
    """What came before is not projected, so of the documents the head alone is compared."""
    told = plain()
    told.rewrite(2, command_id="11" * 16)
    problem = told.first_problem(3)
    assert problem is not None and (problem.what, problem.sequence) == ("chain", 4)
    odd = plain()
    odd.rewrite(3, event=e.ModelDownloaded("v1.0", "svm", 1))
    problem = odd.first_problem(3)
    assert problem is not None and (problem.what, problem.sequence) == ("unprojectable", 4)
    edited = plain()
    edited.model["tags"] = ["b"]
    assert edited.first_problem(3) is None
    edited.model["head_hash"] = bytes(32)
    found = edited.first_problem(3)
    assert found is not None and found.what == "read-model"
