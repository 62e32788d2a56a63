"""A registry whose commands a test writes into the log itself, each at a time of its choice; the rest is real."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import Counter
from typing import Any

from tensorfleet.domain import commands as c
from tensorfleet.domain.decider import decide
from tensorfleet.domain.errors import RegistryError
from tensorfleet.domain.events import BlobFile, ModelDownloaded, ScanVerdict
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.guard import NO_HASH
from tensorfleet.domain.model import INITIAL, LiveModel, Model
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import OwnershipClaimed, Position
from tests.builders import CODEC, blob, envelope, registration, scan_of
from tests.integration.kafka_world import KafkaWorld, delivered, known_producer
from tests.integration.projected import wait_for_checkpoints

V1 = ModelVersion.parse("v1.0")


class WrittenRegistry:
    """`now` is the time of the next record, in microseconds. Each step is appended, and waited for in `db`."""

    def __init__(self, kafka: KafkaWorld, db: Any, now: int) -> None:
        self.kafka = kafka
        self.now = now
        self.models: dict[str, Model] = {}
        self._db = db
        self._producer = known_producer(kafka.kafka)
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._ends = Counter(
            {f"{name}:{number}": 0 for name in ("log", "downloads") for number in range(kafka.topics.partitions)}
        )
        for number in range(kafka.topics.partitions):
            self._append("log", number, b"ownership", envelope(OwnershipClaimed("http://owner", "one")))

    def command(self, command: c.Command, name: str, actor: str = "ann") -> Position:
        """RegistryError if it is rejected; ValueError if it changes nothing."""
        model_id = model_id_of(name)
        model = self.models.get(model_id, INITIAL)
        event = decide(command, model, model_id)
        if event is None:
            raise ValueError("it changes nothing")
        sequence, previous = self._heads.get(model_id, (0, NO_HASH))
        one = envelope(
            event,
            sequence=sequence + 1,
            previous_hash=previous,
            model_id=model_id,
            model_name=name,
            event_id=str(uuid.uuid4()),
            occurred_at=self.now,
            actor=actor,
        )
        self.models[model_id] = evolve(model, event)
        value = CODEC.encode(one)
        self._heads[model_id] = (sequence + 1, hashlib.sha256(value).digest())
        return self._append("log", partition_of(model_id, self.kafka.topics.partitions), model_id.encode(), one)

    def download(self, name: str) -> None:
        model_id = model_id_of(name)
        one = envelope(ModelDownloaded("v1.0", "svm", 1), epoch=0, sequence=0, model_id=model_id, occurred_at=self.now)
        number = partition_of(model_id, self.kafka.topics.partitions)
        self._append("downloads", number, model_id.encode(), one)

    def projected(self) -> None:
        wait_for_checkpoints(self._db, dict(self._ends))

    def _append(self, topic: str, partition: int, key: bytes, one: Any) -> Position:
        names = {"log": self.kafka.topics.log, "downloads": self.kafka.topics.downloads}
        self._producer.produce(names[topic], CODEC.encode(one), key, partition=partition, on_delivery=delivered)
        assert self._producer.flush(20) == 0
        self._ends[f"{topic}:{partition}"] += 1
        return Position(partition, self._ends[f"{topic}:{partition}"] - 1)


class RandomSteps:
    """Whatever may happen to a few models; `done` are the kinds that were accepted."""

    def __init__(self, registry: WrittenRegistry, names: list[str], seed: int) -> None:
        self._registry = registry
        self._names = names
        self._random = random.Random(seed)
        self.done: Counter[str] = Counter()

    def one(self) -> tuple[str, Position | None]:
        """Carry out one; the name, and where it stands in the log if it was a command."""
        while True:
            name = self._random.choice(self._names)
            kind = self._random.choice(KINDS)
            try:
                position = self._carry_out(kind, name)
            except (RegistryError, ValueError):
                continue
            self.done[kind] += 1
            self._registry.projected()
            return name, position

    def _carry_out(self, kind: str, name: str) -> Position | None:
        chosen, model = self._random, self._registry.models.get(model_id_of(name))
        if kind == "download":
            if not isinstance(model, LiveModel):
                raise ValueError("nothing to download")
            return self._registry.download(name)
        algorithm, tags = chosen.choice(["svm", "xgb"]), tuple(chosen.sample(["a", "b", "c"], 2))
        number, file = _newest_file(model)
        metrics: dict[str, Any] = {"auc": round(chosen.random(), 2), "n": chosen.randint(0, 2)}
        commands: dict[str, c.Command] = {
            "register": registration(name, tags=tags, created_by=chosen.choice(["ann", "bob"])),
            "update": c.UpdateModel(
                c.ModelFields(tags=tags, description=str(metrics)), c.VersionFields(metrics=metrics)
            ),
            "update of v1.0": c.UpdateModel(version_fields=c.VersionFields(metrics=metrics), version=V1),
            "new algorithm": c.UpdateModel(c.ModelFields(algorithm=algorithm)),
            "version": c.CreateVersion(version_fields=c.VersionFields(metrics=metrics), breaking=chosen.random() < 0.3),
            "file": c.AttachFile(blob(chosen.randbytes(chosen.randint(1, 9_000_000)))),
            "deprecate": c.DeprecateModel("old"),
            "deprecate v1.0": c.DeprecateModel("old", version=V1),
            "archive": c.ArchiveModel(),
            "restore": c.RestoreModel(),
            "delete": c.DeleteModel(),
            "delete v1.0": c.DeleteVersion(V1),
            "scan": scan_of(file, chosen.choice(list(ScanVerdict)), version=number),
            "release": c.ReleaseArtifact(number, "looked at"),
            "corrupt": c.ReportCorruption(number, file.checksum, None, "by hand"),
            "repair": c.ReportRepair(number, file.checksum, "by hand"),
        }
        return self._registry.command(commands[kind], name, chosen.choice(["ann", "bob", "ci"]))


KINDS = ["register", "update", "update of v1.0", "new algorithm", "version", "file", "deprecate", "deprecate v1.0"]
KINDS += ["archive", "restore", "delete", "delete v1.0", "download", "register", "download"]
KINDS += ["scan", "scan", "release", "corrupt", "repair"]


def _newest_file(model: Model | None) -> tuple[ModelVersion, BlobFile]:
    """Of a model without a file: one that is not there."""
    number = model.newest_with_file if isinstance(model, LiveModel) else None
    file = model.versions[number].file if isinstance(model, LiveModel) and number else None
    return (number, file) if number and file else (V1, blob())
