"""The commands that the load sends: as an HTTP request, and as the domain command that the checker expects of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from tensorfleet.blobs.filenames import format_of
from tensorfleet.domain import commands as c
from tensorfleet.domain.events import BlobFile
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import ModelVersion

_MODELS = "/api/v1/models"
FILENAME = "model.pkl"


@dataclass(frozen=True, slots=True)
class Request:
    """`operation`: the same command as an entry of a batch; None if a batch can't hold it."""

    method: str
    path: str
    body: bytes
    model_id: str
    command: c.Command
    operation: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


def register(name: str, number: int) -> Request:
    fields = {
        "algorithm": f"algorithm {number % 5}",
        "tags": ["fraud", f"tag {number % 7}"],
        "description": f"model {number}",
        "hyperparameters": {"depth": number % 9, "nested": {"rate": [0.1, number]}},
        "metrics": {"accuracy": (number % 100) / 100, "epochs": number},
        "dataset_info": {"name": "payments"},
    }
    command = c.RegisterModel(name, _model_fields(fields), _version_fields(fields))
    body = {"name": name, **fields}
    return Request("POST", _MODELS, orjson.dumps(body), model_id_of(name), command, {"op": "register", **body})


def update(model_id: str, number: int) -> Request:
    fields = {
        "description": f"change {number}",
        "metrics": {"accuracy": (number % 1000) / 1000, f"m{number % 5}": number},
    }
    command = c.UpdateModel(_model_fields(fields), _version_fields(fields))
    operation = {"op": "update", "model_id": model_id, **fields}
    return Request("PATCH", f"{_MODELS}/{model_id}", orjson.dumps(fields), model_id, command, operation)


def version(model_id: str, number: int) -> Request:
    fields = {"metrics": {"accuracy": (number % 1000) / 1000}, "hyperparameters": {"depth": number % 50}}
    breaking = number % 10 == 0
    command = c.CreateVersion(breaking, _model_fields(fields), _version_fields(fields))
    body = {"breaking_changes": breaking, **fields}
    operation = {"op": "version", "model_id": model_id, **body}
    return Request("POST", f"{_MODELS}/{model_id}/versions", orjson.dumps(body), model_id, command, operation)


def deprecate(model_id: str, number: int) -> Request:
    """Of few reasons, so that some find their wish fulfilled."""
    reason = f"reason {number % 2}"
    operation = {"op": "deprecate", "model_id": model_id, "reason": reason}
    return _plain("deprecate", model_id, {"reason": reason}, c.DeprecateModel(reason), operation)


def archive(model_id: str, number: int) -> Request:
    return _plain("archive", model_id, {}, c.ArchiveModel(), {"op": "archive", "model_id": model_id})


def restore(model_id: str, number: int) -> Request:
    return _plain("restore", model_id, {}, c.RestoreModel(), {"op": "restore", "model_id": model_id})


def delete(model_id: str, number: int) -> Request:
    operation = {"op": "delete", "model_id": model_id}
    return Request("DELETE", f"{_MODELS}/{model_id}", b"", model_id, c.DeleteModel(), operation)


def delete_version(model_id: str, number: int) -> Request:
    """Of the first version, which may be gone already, or be the last."""
    path = f"{_MODELS}/{model_id}/versions/v1.0"
    return Request("DELETE", path, b"", model_id, c.DeleteVersion(ModelVersion.parse("v1.0")))


def upload(model_id: str, content: bytes) -> Request:
    digest = hashlib.sha256(content).hexdigest()
    file = BlobFile(len(content), digest, format_of(FILENAME), FILENAME)
    headers = {"Content-Type": "application/octet-stream", "X-File-Name": FILENAME}
    path = f"{_MODELS}/{model_id}/upload"
    return Request("POST", path, content, model_id, c.AttachFile(file), None, headers)


def _plain(verb: str, model_id: str, body: dict[str, Any], command: c.Command, operation: dict[str, Any]) -> Request:
    return Request("POST", f"{_MODELS}/{model_id}/{verb}", orjson.dumps(body), model_id, command, operation)


def _model_fields(fields: dict[str, Any]) -> c.ModelFields:
    tags = fields.get("tags")
    return c.ModelFields(
        algorithm=fields.get("algorithm"),
        description=fields.get("description"),
        tags=None if tags is None else tuple(tags),
    )


def _version_fields(fields: dict[str, Any]) -> c.VersionFields:
    names = ("hyperparameters", "metrics", "dataset_info")
    return c.VersionFields(**{name: fields[name] for name in names if name in fields})
