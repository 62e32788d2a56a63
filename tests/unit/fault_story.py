"""A small sound run, told step by step, from which the checker's tests derive histories with one planted violation."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import bson
from bson.int64 import Int64

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.decider import decide
from tensorfleet.domain.model import LiveModel
from tensorfleet.domain.names import model_id_of
from tensorfleet.events.envelope import OwnershipClaimed, Position
from tensorfleet.events.fold import LogFold
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.writes import Checkpoint, Writes
from tensorfleet.projection.batch import BatchProjection
from tests.builders import CODEC, envelope
from tests.faults.checker.history import Attempt, Download, History, Operation, Read
from tests.faults.checker.observations import FeedRecord, LogRecord, Observations, StoredObject


class MemoryStore:
    """The part of the projection store that a batch reads, and what it wrote, without a server."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[Any, dict[str, Any]]] = defaultdict(dict)

    def load(self, models: Any, versions: Any) -> Any:
        wanted = (("models", models), ("versions", versions), ("parked", models))
        return tuple(
            {key: self.documents[name][key] for key in ids if key in self.documents[name]} for name, ids in wanted
        )

    def known_counters(self, model_ids: Any, hour_ids: Any) -> Any:
        return set(model_ids) & set(self.documents["download_counters"]), set(hour_ids) & set(
            self.documents["download_hours"]
        )

    def statistics(self, partition: int) -> Any:
        return self.documents["statistics"].get(partition)

    def commit(self, writes: Writes) -> None:
        for name in ("models", "versions", "search"):
            self.documents[name].update(getattr(writes, name).documents)
        for name in ("statistics", "parked"):
            self.documents[name].update(getattr(writes, name))
        self.documents["history"].update({one["_id"]: one for one in writes.history})
        for name, counts in (("download_counters", writes.downloads), ("download_hours", writes.download_hours)):
            for key, number in counts.added.items():
                self.documents[name][key] = {"_id": key, **counts.fresh[key], "downloads": Int64(number)}


class Story:
    """Each step takes one second. Everything is in partition 0, after a claim of epoch 1."""

    def __init__(self) -> None:
        self.now = 0.0
        self.epoch = 1
        self.fold = LogFold(CODEC)
        self.records: list[LogRecord] = []
        self.downloads: list[LogRecord] = []
        self.operations: list[Operation] = []
        self.reads: list[Read] = []
        self.got: list[Download] = []
        self.contents: dict[str, bytes] = {}
        self.claim()

    def claim(self) -> None:
        one = envelope(OwnershipClaimed("http://owner", "one"), epoch=self.epoch, sequence=0)
        self.append(CODEC.encode(one))

    def append(self, value: bytes) -> Position:
        position = Position(0, len(self.records))
        self.records.append(LogRecord(position, value))
        self.fold.apply(position.offset, None, value)
        return position

    def event(self, command: c.Command, name: str, command_id: str, event: Any = None) -> Position:
        """Append what the decider makes of the command, or the given event in its place."""
        model_id = model_id_of(name)
        head = self.fold.head(model_id)
        fact: Any = event or decide(command, self.fold.model(model_id), model_id)
        return self.append(
            CODEC.encode(
                envelope(
                    fact,
                    epoch=self.epoch,
                    sequence=head.sequence + 1,
                    previous_hash=head.hash,
                    model_id=model_id,
                    model_name=name,
                    command_id=command_id,
                    event_id=f"event {len(self.records)}",
                )
            )
        )

    def tell(self, command: c.Command, name: str, *attempts: Attempt, **more: Any) -> Operation:
        """Record an operation that the log knows nothing of."""
        command_id = more.pop("command_id", f"command {len(self.operations)}")
        one = Operation(1, command_id, model_id_of(name), command, attempts, **more)
        self.operations.append(one)
        return one

    def attempt(self, status: int, code: str = "", *positions: Position, projected: bool = False) -> Attempt:
        self.now += 1
        return Attempt(self.now, self.now + 0.5, status, code, positions, projected)

    def do(self, command: c.Command, name: str = "a", *, projected: bool = True, event: Any = None) -> Operation:
        """A command that is carried out and acknowledged."""
        position = self.event(command, name, f"command {len(self.operations)}", event)
        return self.tell(command, name, self.attempt(201, "", position, projected=projected))

    def upload(self, content: bytes, name: str = "a") -> Operation:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return self.do(c.AttachFile(e.BlobFile(len(content), digest, "pickle", "m.pkl")), name)

    def read(self, name: str = "a", status: int = 200, *, back: int = 0, least: Position | None = None) -> Read:
        """See the model as it is, or as it was `back` events ago."""
        self.now += 1
        model_id = model_id_of(name)
        places = [one.log_position for one in self._feed() if CODEC.decode(one.value or b"").model_id == model_id]
        sequence = len(places) - back if status == 200 else 0
        position = places[sequence - 1] if sequence else None
        named = (least,) if least else ()
        one = Read(1, model_id, self.now, self.now + 0.5, status, sequence, position, named)
        self.reads.append(one)
        return one

    def download(self, name: str = "a", *, complete: bool = True, on_record: bool = True) -> None:
        self.got.append(Download(1, model_id_of(name), complete))
        if on_record:
            fact = envelope(e.ModelDownloaded("v1.0", "svm", 1), sequence=0, epoch=0, model_id=model_id_of(name))
            self.downloads.append(LogRecord(Position(0, len(self.downloads)), CODEC.encode(fact)))

    def history(self) -> History:
        return History(tuple(self.operations), tuple(self.reads), tuple(self.got))

    def observations(self) -> Observations:
        """What sound servers would hold after this log."""
        return Observations(
            log=tuple(self.records),
            downloads=tuple(self.downloads),
            feed=tuple(self._feed()),
            states=self._states(),
            documents=self._documents(),
            objects=tuple(StoredObject(f"sha256/{key}", key, len(raw), 9.0) for key, raw in self.contents.items()),
            replay=self._documents,
            sightings={one.position: hashlib.sha256(one.value or b"").digest() for one in self.records},
        )

    def _feed(self) -> list[FeedRecord]:
        fold, found = LogFold(CODEC), []
        for one in self.records:
            judged = fold.apply(one.position.offset, None, one.value)
            if judged.verdict == "accepted" and judged.envelope:
                found.append(FeedRecord(one.position, judged.envelope.sequence, one.value))
        return found

    def _states(self) -> dict[str, bytes | None]:
        last = {}
        for one in self._feed():
            known = CODEC.decode(one.value or b"")
            last[known.model_id] = known
        return {
            key: CODEC.encode_state(key, one.model_name, one.sequence, one.occurred_at, model)
            if isinstance(model := self.fold.model(key), LiveModel)
            else None
            for key, one in last.items()
        }

    def _documents(self) -> dict[str, dict[object, bytes]]:
        store = MemoryStore()
        start = {f"{one}:0": Checkpoint(one, 0, "c", "t", 0, 0, bytes(32)) for one in ("log", "downloads")}
        log = [Record("log", 0, one.position.offset, b"", one.value, list) for one in self.records]
        got = [Record("downloads", 0, one.position.offset, b"", one.value, list) for one in self.downloads]
        store.commit(BatchProjection(store, CODEC, "log", start).project([*log, *got]).writes)  # type: ignore[arg-type]
        return {
            name: {key: bson.encode(one) for key, one in kept.items() if one} for name, kept in store.documents.items()
        }
