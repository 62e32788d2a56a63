"""The projection: what each event does to the documents of its model. Pure, and the same for every replay.

Documents are plain dicts whose keys always stand in the same order, so that equal histories give equal bytes.
Times are Int64 microseconds since 1970, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, assert_never

from bson.int64 import Int64

from tensorfleet.domain import events as e
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.evolution import MODEL_FIELDS, merged
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import Envelope, Position

Document = dict[str, Any]
_PATCHED = ("hyperparameters", "metrics", "dataset_info")


class Unprojectable(Exception):
    """An accepted event does not fit the documents; its model is parked."""


class ModelDocuments:
    """The documents of one model: `model` (None before the first event) and, by number, those versions that matter.

    `find_version` gives the document of a version that was loaded for the batch, or None.
    """

    def __init__(self, model: Document | None, find_version: Callable[[str], Document | None]) -> None:
        self.model = model
        self._find = find_version
        self.changed_versions: dict[str, Document] = {}

    def apply(self, envelope: Envelope, position: Position, hash_: bytes) -> None:
        """Project one accepted event. Unprojectable if it does not fit."""
        event = envelope.event
        try:
            self._apply(envelope, event)  # type: ignore[arg-type]
        except InvalidCommand as error:
            raise Unprojectable(f"a version number is none: {error.detail}") from error
        model = self._live_or_deleted()
        model["updated_at"] = Int64(envelope.occurred_at)
        model["sequence"] = Int64(envelope.sequence)
        model["partition"] = position.partition
        model["offset"] = Int64(position.offset)
        model["head_hash"] = hash_
        for version in self.changed_versions.values():
            version["offset"] = model["offset"]

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
                self._live_or_deleted()["deleted"] = False
                self._set_status(event.version, e.Status.ACTIVE, None, at)
            case e.ModelDeleted():
                self._live_or_deleted()["deleted"] = True
            case e.ModelVersionDeleted():
                self._version_deleted(event, at)
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
            "file": None,
            "file_version": None,
            "created_at": at,
            "updated_at": at,
            "sequence": Int64(envelope.sequence),
            "partition": 0,
            "offset": Int64(0),
            "head_hash": b"",
            "total_size_bytes": Int64(0),
            "file_count": Int64(0),
        }
        self._put_version(envelope, event, None)

    def _versioned(self, envelope: Envelope, event: e.ModelVersioned) -> None:
        model = self._live_or_deleted()
        _set_model_fields(model, event)
        model.update(_version_members(event.version, event.parent_version, event), file=None)
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
            "file": None,
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
        version = self._version(event.version, at)
        version["file"] = {
            "size_bytes": Int64(event.file.size_bytes),
            "checksum": event.file.checksum,
            "format": event.file.format,
            "filename": event.file.filename,
        }
        if model["version"] == event.version:
            model["file"] = version["file"]
        model["file_version"] = event.newest_file_version
        model["total_size_bytes"] = Int64(model["total_size_bytes"] + event.file.size_bytes)
        model["file_count"] = Int64(model["file_count"] + 1)

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
            model["file"] = newest["file"]

    def _live_or_deleted(self) -> Document:
        if self.model is None:
            raise Unprojectable("the model was never registered")
        return self.model

    def _version(self, number: str, at: Int64) -> Document:
        document = self._known_version(number)
        document["updated_at"] = at
        self.changed_versions[number] = document
        return document

    def _known_version(self, number: str) -> Document:
        found = self.changed_versions.get(number) or self._find(number)
        if found is None:
            raise Unprojectable(f"the model has no version {number}")
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


def searchable(model: Document | None) -> tuple[Any, ...] | None:
    """What the search knows of a model; None if it should not be found."""
    if model is None or model["deleted"]:
        return None
    dataset = model["dataset_info"].get("name")
    return model["name"], model["algorithm"], model["tags"], model["description"], dataset


def search_entry(model: Document) -> Document | None:
    """The model's document in the search collection; None if it should not be found."""
    found = searchable(model)
    if found is None:
        return None
    name, algorithm, tags, description, dataset = found
    return {
        "_id": model["_id"],
        "name": _with_parts(name),
        "algorithm": _with_parts(algorithm),
        "tags": [_with_parts(tag) for tag in tags],
        "description": description,
        "dataset": _with_parts(dataset) if isinstance(dataset, str) else "",
    }


def _with_parts(text: str) -> str:
    """`text` and the parts of its compounds: MongoDB takes fraud_xgboost and RandomForest for one word each."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^\w]|_", " ", text).split()
    return text if parts == [text] else " ".join([text, *parts])


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
