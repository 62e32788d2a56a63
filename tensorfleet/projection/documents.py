"""The projection: what each event does to the documents of its model. Pure, and the same for every replay.

Documents are plain dicts whose keys always stand in the same order, so that equal histories give equal bytes.
Times are Int64 microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from bson.int64 import Int64

from tensorfleet.domain import events as e
from tensorfleet.domain.evolution import MODEL_FIELDS, merged
from tensorfleet.domain.fitting import Standing, require_fit
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.projection.facets import facets_of
from tensorfleet.projection.scans import after_release, after_verdict, no_verdict

Document = dict[str, Any]
_PATCHED = ("hyperparameters", "metrics", "dataset_info")
_NO_FILE: Document = {"file": None, "scan": None, "corrupt": False}


class ModelDocuments:
    """The documents of one model: `model` (None before the first event) and, by number, those versions that matter.

    `find_version` gives the document of a version that was loaded for the batch, or None.
    """

    def __init__(self, model: Document | None, find_version: Callable[[str], Document | None]) -> None:
        self.model = model
        self._find = find_version
        self.changed_versions: dict[str, Document] = {}

    def apply(self, envelope: Envelope, position: Position, hash_: bytes) -> None:
        """Project one accepted event. Unfoldable if it can't be."""
        require_fit(envelope.event, self._standing, self._knows)  # type: ignore[arg-type]
        self._apply(envelope, envelope.event)  # type: ignore[arg-type]
        self.move_to(envelope, position, hash_)

    def move_to(self, envelope: Envelope, position: Position, hash_: bytes) -> None:
        """The model contains the record now."""
        model = self._live_or_deleted()
        model["updated_at"] = Int64(envelope.occurred_at)
        model["sequence"] = Int64(envelope.sequence)
        model["partition"] = position.partition
        model["offset"] = Int64(position.offset)
        model["head_hash"] = hash_
        model["facets"] = facets_of(model)
        for version in self.changed_versions.values():
            version["offset"] = model["offset"]

    @property
    def _standing(self) -> Standing:
        if self.model is None:
            return Standing.NEVER_REGISTERED
        return Standing.DELETED if self.model["deleted"] else Standing.LIVE

    def _knows(self, number: str) -> bool:
        """Whether the version exists and is not deleted; those of a registration before are gone with it."""
        found = self.changed_versions.get(number) or self._find(number)
        if found is None or self.model is None or found["deleted"]:
            return False
        return bool(found["registration"] == self.model["registration"])

    def _apply(self, envelope: Envelope, event: e.Event) -> None:
        at = Int64(envelope.occurred_at)
        match event:
            case e.ModelRegistered():
                self._registered(envelope, event)
            case e.ModelUpdated():
                self._updated(event, at)
            case e.ModelVersioned():
                self._versioned(envelope, event)
            case e.ModelFileAttached():
                self._file_attached(event, at)
            case e.ModelDeprecated():
                why = {"reason": event.reason, "replacement_model_id": event.replacement_model_id}
                self._set_status(event.version, e.Status.DEPRECATED, why, at)
            case e.ModelArchived():
                self._set_status(event.version, e.Status.ARCHIVED, None, at)
            case e.ModelRestored():
                model = self._live_or_deleted()
                version = None if model["deleted"] else event.version
                model["deleted"] = False
                self._set_status(version, e.Status.ACTIVE, None, at)
            case e.ModelDeleted():
                self._live_or_deleted()["deleted"] = True
            case e.ModelVersionDeleted():
                self._version_deleted(event, at)
            case e.MetricsReported():
                pass
            case e.ArtifactScanned():
                scan = after_verdict(self._known_version(event.version)["scan"], event, at)
                self._of_file(event.version, at, scan=scan)
            case e.ArtifactReleased():
                self._of_file(event.version, at, scan=after_release(self._known_version(event.version)["scan"]))
            case e.ArtifactFoundCorrupt():
                self._of_file(event.version, at, corrupt=True)
            case e.ArtifactRepaired():
                self._of_file(event.version, at, corrupt=False)
            case e.ParkedRecordsDiscarded():
                raise AssertionError("it fits no state: what a discard does, it does to a parked model")
            case _:
                assert_never(event)

    def _registered(self, envelope: Envelope, event: e.ModelRegistered) -> None:
        registration = 1 if self.model is None else self.model["registration"] + 1
        at = Int64(envelope.occurred_at)
        self.model = {
            "_id": envelope.model_id,
            "name": envelope.model_name,
            "algorithm": event.algorithm,
            "framework": event.framework,
            "description": event.description,
            "tags": list(event.tags),
            "created_by": event.created_by,
            "status": str(e.Status.ACTIVE),
            "deprecation": None,
            "deleted": False,
            "registration": registration,
            **_version_members(event.version, None, event),
            **_NO_FILE,
            "file_version": None,
            "created_at": at,
            "updated_at": at,
            "sequence": Int64(envelope.sequence),
            "partition": 0,
            "offset": Int64(0),
            "head_hash": b"",
            "total_size_bytes": Int64(0),
            "file_count": Int64(0),
            "facets": [],
        }
        self._put_version(envelope, event, None)

    def _versioned(self, envelope: Envelope, event: e.ModelVersioned) -> None:
        model = self._live_or_deleted()
        _set_model_fields(model, event)
        model.update(_version_members(event.version, event.parent_version, event), **_NO_FILE)
        self._put_version(envelope, event, event.parent_version)

    def _put_version(self, envelope: Envelope, event: e.ModelRegistered | e.ModelVersioned, parent: str | None) -> None:
        assert self.model is not None
        at = Int64(envelope.occurred_at)
        self.changed_versions[event.version] = {
            "_id": f"{envelope.model_id}@{event.version}",
            "model_id": envelope.model_id,
            "registration": self.model["registration"],
            **_version_members(event.version, parent, event),
            "status": str(e.Status.ACTIVE),
            "deprecation": None,
            **_NO_FILE,
            "deleted": False,
            "created_at": at,
            "updated_at": at,
            "offset": Int64(0),
        }

    def _updated(self, event: e.ModelUpdated, at: Int64) -> None:
        model = self._live_or_deleted()
        _set_model_fields(model, event)
        if event.status is not None:
            model["status"], model["deprecation"] = str(event.status), None
        if event.version is None:
            return
        version = self._version(event.version, at)
        for field in _PATCHED:
            patch = getattr(event, field)
            if patch is not None:
                version[field] = merged(version[field], patch)
        if event.version_status is not None:
            version["status"], version["deprecation"] = str(event.version_status), None
        if model["version"] == event.version:
            model.update({field: version[field] for field in _PATCHED})

    def _file_attached(self, event: e.ModelFileAttached, at: Int64) -> None:
        model = self._live_or_deleted()
        file = {
            "size_bytes": Int64(event.file.size_bytes),
            "checksum": event.file.checksum,
            "format": event.file.format,
            "filename": event.file.filename,
        }
        self._of_file(event.version, at, file=file, scan=no_verdict(), corrupt=False)
        model["file_version"] = event.newest_file_version
        model["total_size_bytes"] = Int64(model["total_size_bytes"] + event.file.size_bytes)
        model["file_count"] = Int64(model["file_count"] + 1)

    def _of_file(self, number: str, at: Int64, **members: Any) -> None:
        """What the version's document says of its file, and the model's, if it is the newest version."""
        model = self._live_or_deleted()
        self._version(number, at).update(members)
        if model["version"] == number:
            model.update(members)

    def _set_status(self, version: str | None, status: e.Status, why: Document | None, at: Int64) -> None:
        subject = self._live_or_deleted() if version is None else self._version(version, at)
        subject["status"], subject["deprecation"] = str(status), why

    def _version_deleted(self, event: e.ModelVersionDeleted, at: Int64) -> None:
        model = self._live_or_deleted()
        gone = self._version(event.version, at)
        gone["deleted"] = True
        if gone["file"] is not None:
            model["total_size_bytes"] = Int64(model["total_size_bytes"] - gone["file"]["size_bytes"])
            model["file_count"] = Int64(model["file_count"] - 1)
        model["file_version"] = event.newest_file_version
        if model["version"] != event.newest_version:
            newest = self._known_version(event.newest_version)
            model.update({field: newest[field] for field in ("version", "version_order", "parent_version", *_PATCHED)})
            model.update({field: newest[field] for field in _NO_FILE})

    def _live_or_deleted(self) -> Document:
        assert self.model is not None
        return self.model

    def _version(self, number: str, at: Int64) -> Document:
        document = self._known_version(number)
        document["updated_at"] = at
        self.changed_versions[number] = document
        return document

    def _known_version(self, number: str) -> Document:
        found = self.changed_versions.get(number) or self._find(number)
        assert found is not None
        return found


def versions_needed(event: e.Event) -> list[str]:
    """The numbers of the versions whose documents `apply` will look at."""
    named = (getattr(event, "version", None), getattr(event, "newest_version", None))
    return [number for number in named if number is not None]


def history_entry(
    envelope: Envelope, position: Position, hash_: bytes, changes: list[Document], counted: list[Any] | None
) -> Document:
    """`counted`: what the model contributed to the statistics before and after; None if that is the same."""
    return {
        "_id": f"{envelope.model_id}:{envelope.sequence:012d}",
        "model_id": envelope.model_id,
        "sequence": Int64(envelope.sequence),
        "type": envelope.event_type,
        "actor": envelope.actor,
        "occurred_at": Int64(envelope.occurred_at),
        "version": getattr(envelope.event, "version", None),
        "changes": changes,
        "partition": position.partition,
        "offset": Int64(position.offset),
        "hash": hash_.hex(),
        "event_id": envelope.event_id,
        "counted": counted,
    }


def _version_members(number: str, parent: str | None, event: e.ModelRegistered | e.ModelVersioned) -> Document:
    return {
        "version": number,
        "version_order": Int64(ModelVersion.parse(number).order),
        "parent_version": parent,
        "hyperparameters": dict(event.hyperparameters),
        "metrics": dict(event.metrics),
        "dataset_info": dict(event.dataset_info),
    }


def _set_model_fields(model: Document, event: e.ModelUpdated | e.ModelVersioned) -> None:
    for field in MODEL_FIELDS:
        value = getattr(event, field)
        if value is not None:
            model[field] = list(value) if isinstance(value, tuple) else value
