"""A model's state as JSON text and back, exactly."""

from __future__ import annotations

from typing import Any

import orjson

from tensorfleet.domain.events import BlobFile, ScanVerdict, Status
from tensorfleet.domain.model import DeletedModel, Deprecation, LiveModel, Model, ScanState, VersionState
from tensorfleet.domain.versions import ModelVersion

_LIVE, _DELETED = "live", "deleted"


def pack(model: Model) -> str:
    """ValueError for a model that was never registered: there is nothing to say."""
    match model:
        case LiveModel():
            plain = [_LIVE, _live(model)]
        case DeletedModel():
            plain = [_DELETED, _live(model.was)]
        case _:
            raise ValueError("the model was never registered")
    return orjson.dumps(plain).decode()


def unpack(text: str) -> Model:
    kind, fields = orjson.loads(text)
    live = _unpack_live(fields)
    return live if kind == _LIVE else DeletedModel(live)


def _live(model: LiveModel) -> list[Any]:
    return [
        model.algorithm,
        model.framework,
        model.description,
        model.tags,
        model.created_by,
        model.status,
        _deprecation(model.deprecation),
        str(model.highest),
        [_version(one) for one in model.versions.values()],
    ]


def _version(one: VersionState) -> list[Any]:
    file, scan = one.file, one.scan
    return [
        str(one.number),
        None if one.parent is None else str(one.parent),
        one.status,
        _deprecation(one.deprecation),
        one.hyperparameters,
        one.metrics,
        one.dataset_info,
        None if file is None else [file.size_bytes, file.checksum, file.format, file.filename],
        None if scan is None else [scan.verdict, scan.scanner, scan.released],
        one.corrupt,
    ]


def _deprecation(one: Deprecation | None) -> list[Any] | None:
    return None if one is None else [one.reason, one.replacement_model_id]


def _unpack_live(fields: list[Any]) -> LiveModel:
    algorithm, framework, description, tags, created_by, status, deprecation, highest, versions = fields
    found = [_unpack_version(one) for one in versions]
    return LiveModel(
        algorithm,
        framework,
        description,
        tuple(tags),
        created_by,
        Status(status),
        None if deprecation is None else Deprecation(*deprecation),
        {one.number: one for one in found},
        ModelVersion.parse(highest),
    )


def _unpack_version(fields: list[Any]) -> VersionState:
    number, parent, status, deprecation, hyperparameters, metrics, dataset_info, file, scan, corrupt = fields
    return VersionState(
        ModelVersion.parse(number),
        None if parent is None else ModelVersion.parse(parent),
        Status(status),
        None if deprecation is None else Deprecation(*deprecation),
        hyperparameters,
        metrics,
        dataset_info,
        None if file is None else BlobFile(*file),
        None if scan is None else ScanState(ScanVerdict(scan[0]), *scan[1:]),
        corrupt,
    )
