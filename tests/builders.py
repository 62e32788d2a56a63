"""Builders with defaults for whatever a test does not care about."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.decider import decide
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.guard import NO_HASH
from tensorfleet.domain.model import INITIAL, Model
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import FIRST, ModelVersion
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, OwnershipClaimed

CODEC = Codec(Catalogue())
NAME = "a model"
MODEL_ID = model_id_of(NAME)


def registration(name: str = NAME, **fields: object) -> c.RegisterModel:
    return c.RegisterModel(name, c.ModelFields(algorithm="svm", **fields))  # type: ignore[arg-type]


def blob(content: bytes = b"x", filename: str = "m.pkl") -> e.BlobFile:
    return e.BlobFile(len(content), hashlib.sha256(content).hexdigest(), "pickle", filename)


def scan_of(
    file: e.BlobFile, verdict: e.ScanVerdict = e.ScanVerdict.DANGEROUS, *, version: ModelVersion = FIRST, rules: int = 1
) -> c.RecordScan:
    found = (e.ScanFinding(e.Severity.DANGEROUS, "gadget", "data.pkl@12", "os.system"),)
    findings = found if verdict is e.ScanVerdict.DANGEROUS else ()
    return c.RecordScan(version, file.checksum, verdict, "pickle", findings, f"tensorfleet {rules}")


def given(*commands: c.Command, model_id: str = MODEL_ID) -> Model:
    """The state after these commands, all of which must be accepted."""
    model = INITIAL
    for command in commands:
        event = decide(command, model, model_id)
        assert event is not None
        model = evolve(model, event)
    return model


def envelope(event: e.Event | e.ModelDownloaded | OwnershipClaimed, **fields: object) -> Envelope:
    claim = isinstance(event, OwnershipClaimed)
    plain = Envelope(
        epoch=1,
        sequence=0 if claim else 1,
        model_id="" if claim else MODEL_ID,
        event_id="019aa5c0-0000-7000-8000-000000000001",
        command_id="00" * 16,
        previous_hash=NO_HASH,
        model_name="" if claim else NAME,
        command_hash=None,
        occurred_at=1_795_262_400_123_456,
        actor="tester",
        event=event,
    )
    return plain._replace(**fields)


class Stream:
    """A valid log of one partition: a claim, then chained events of any models."""

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch
        self.values: list[tuple[bytes, bytes]] = []
        self.models: dict[str, Model] = {}
        self._heads: dict[str, tuple[int, bytes]] = {}
        self.claim(epoch)

    def claim(self, epoch: int) -> None:
        """Append a claim; what is added after it is written under its epoch."""
        self.epoch = epoch
        event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"claim {epoch} {len(self.values)}"))
        claim = envelope(OwnershipClaimed("http://owner", "one"), epoch=epoch, event_id=event_id)
        self._append(b"ownership", claim)

    def add(self, command: c.Command, name: str = NAME, **fields: object) -> None:
        """Append what the decider emits for an accepted command. `fields` are members of its envelope."""
        model_id = model_id_of(name)
        model = self.models.get(model_id, INITIAL)
        event = decide(command, model, model_id)
        assert event is not None
        self.models[model_id] = evolve(model, event)
        self.event(event, name, **fields)

    def event(self, event: e.Event, name: str = NAME, **fields: object) -> None:
        """Append an event that continues the model's stream, whether it fits its state or not."""
        model_id = model_id_of(name)
        sequence, previous = self._heads.get(model_id, (0, NO_HASH))
        one = envelope(
            event,
            epoch=self.epoch,
            sequence=sequence + 1,
            previous_hash=previous,
            model_id=model_id,
            model_name=name,
            event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}{sequence}")),
            **fields,
        )
        value = self._append(model_id.encode(), one)
        self._heads[model_id] = (sequence + 1, hashlib.sha256(value).digest())

    def raw(self, key: bytes, value: bytes) -> None:
        self.values.append((key, value))

    def _append(self, key: bytes, one: Envelope) -> bytes:
        value = CODEC.encode(one)
        self.values.append((key, value))
        return value


def lifecycle(names: Iterable[str]) -> Stream:
    """A log in which each model goes through most of what can happen to one."""
    stream = Stream()
    for name in names:
        stream.add(registration(name, tags=("a", "b"), description="first"), name)
        stream.add(c.AttachFile(blob(name.encode())), name)
        stream.add(c.CreateVersion(version_fields=c.VersionFields(metrics={"accuracy": 0.5, "n": 3})), name)
        stream.add(c.UpdateModel(version_fields=c.VersionFields(hyperparameters={"x": {"y": [1, 2.5]}})), name)
        stream.add(c.DeprecateModel("old"), name)
        stream.add(c.RestoreModel(), name)
        stream.add(c.CreateVersion(breaking=True), name)
        stream.add(c.DeleteVersion(sorted(stream.models[model_id_of(name)].versions)[-1]), name)  # type: ignore[union-attr]
    return stream
