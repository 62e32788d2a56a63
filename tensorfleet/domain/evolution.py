"""`evolve` applies one accepted event to a model's state; it never fails on what `decide` emitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from tensorfleet.domain import events as e
from tensorfleet.domain.fitting import Standing, require_fit
from tensorfleet.domain.model import (
    DeletedModel,
    Deprecation,
    LiveModel,
    Model,
    NeverRegistered,
    ScanState,
    VersionState,
)
from tensorfleet.domain.versions import ModelVersion

_STANDINGS: Mapping[type[Model], Standing] = {
    NeverRegistered: Standing.NEVER_REGISTERED,
    LiveModel: Standing.LIVE,
    DeletedModel: Standing.DELETED,
}


def evolve(model: Model, event: e.Event) -> Model:
    """The state after `event`; Unfoldable if it does not fit."""
    live = model.versions if isinstance(model, LiveModel) else {}
    require_fit(event, _STANDINGS[type(model)], lambda version: ModelVersion.parse(version) in live)
    return _evolve(model, event)


def _evolve(model: Model, event: e.Event) -> Model:
    if isinstance(event, e.ModelRegistered):
        return _registered(event)
    if isinstance(event, e.ModelRestored) and isinstance(model, DeletedModel):
        return replace(model.was, status=e.Status.ACTIVE, deprecation=None)
    assert isinstance(model, LiveModel) and not isinstance(event, e.ParkedRecordsDiscarded)  # else it does not fit
    return _evolve_live(model, event)


def merged(base: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """`base` with the keys of `patch` put over it; a null value removes its key."""
    result = dict(base)
    for key, value in (patch or {}).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def _registered(event: e.ModelRegistered) -> LiveModel:
    number = ModelVersion.parse(event.version)
    first = VersionState(
        number=number,
        parent=None,
        status=e.Status.ACTIVE,
        deprecation=None,
        hyperparameters=event.hyperparameters,
        metrics=event.metrics,
        dataset_info=event.dataset_info,
        file=None,
    )
    return LiveModel(
        algorithm=event.algorithm,
        framework=event.framework,
        description=event.description,
        tags=event.tags,
        created_by=event.created_by,
        status=e.Status.ACTIVE,
        deprecation=None,
        versions={number: first},
        highest=number,
    )


def _evolve_live(
    model: LiveModel,
    event: e.ModelUpdated
    | e.ModelVersioned
    | e.ModelFileAttached
    | e.ModelDeprecated
    | e.ModelArchived
    | e.ModelRestored
    | e.ModelDeleted
    | e.ModelVersionDeleted
    | e.MetricsReported
    | e.ArtifactScanned
    | e.ArtifactReleased
    | e.ArtifactFoundCorrupt
    | e.ArtifactRepaired,
) -> Model:
    match event:
        case e.ModelUpdated():
            return _updated(model, event)
        case e.ModelVersioned():
            return _versioned(model, event)
        case e.ModelFileAttached():
            return _with_version(model, event.version, file=event.file, scan=None, corrupt=False)
        case e.ModelDeprecated():
            why = Deprecation(event.reason, event.replacement_model_id)
            return _with_status(model, event.version, e.Status.DEPRECATED, why)
        case e.ModelArchived():
            return _with_status(model, event.version, e.Status.ARCHIVED, None)
        case e.ModelRestored():
            return _with_status(model, event.version, e.Status.ACTIVE, None)
        case e.ModelDeleted():
            return DeletedModel(was=model)
        case e.ModelVersionDeleted():
            gone = ModelVersion.parse(event.version)
            left = {number: version for number, version in model.versions.items() if number != gone}
            return replace(model, versions=left)
        case e.MetricsReported():
            return model
        case e.ArtifactScanned():
            return _with_version(model, event.version, scan=_scanned(model, event))
        case e.ArtifactReleased():
            return _with_version(model, event.version, scan=_released(model, event))
        case e.ArtifactFoundCorrupt():
            return _with_version(model, event.version, corrupt=True)
        case e.ArtifactRepaired():
            return _with_version(model, event.version, corrupt=False)
        case _:
            assert_never(event)


def _updated(model: LiveModel, event: e.ModelUpdated) -> LiveModel:
    model = _with_model_fields(model, event)
    if event.status is not None:
        model = replace(model, status=event.status, deprecation=None)
    if event.version is None:
        return model
    version = model.versions[ModelVersion.parse(event.version)]
    changes: dict[str, Any] = {
        "hyperparameters": merged(version.hyperparameters, event.hyperparameters),
        "metrics": merged(version.metrics, event.metrics),
        "dataset_info": merged(version.dataset_info, event.dataset_info),
    }
    if event.version_status is not None:
        changes |= {"status": event.version_status, "deprecation": None}
    return _with_version(model, event.version, **changes)


def _versioned(model: LiveModel, event: e.ModelVersioned) -> LiveModel:
    number = ModelVersion.parse(event.version)
    version = VersionState(
        number=number,
        parent=ModelVersion.parse(event.parent_version),
        status=e.Status.ACTIVE,
        deprecation=None,
        hyperparameters=event.hyperparameters,
        metrics=event.metrics,
        dataset_info=event.dataset_info,
        file=None,
    )
    model = _with_model_fields(model, event)
    return replace(model, versions={**model.versions, number: version}, highest=number)


def _scanned(model: LiveModel, event: e.ArtifactScanned) -> ScanState:
    """A release ends with another verdict than the one that was released."""
    before = model.versions[ModelVersion.parse(event.version)].scan
    released = before is not None and before.released and before.verdict is event.verdict
    return ScanState(event.verdict, event.scanner, released)


def _released(model: LiveModel, event: e.ArtifactReleased) -> ScanState | None:
    before = model.versions[ModelVersion.parse(event.version)].scan
    return None if before is None else replace(before, released=True)


def _with_model_fields(model: LiveModel, event: e.ModelUpdated | e.ModelVersioned) -> LiveModel:
    named = {name: getattr(event, name) for name in MODEL_FIELDS}
    changes = {name: value for name, value in named.items() if value is not None}
    return replace(model, **changes) if changes else model


def _with_status(model: LiveModel, version: str | None, status: e.Status, why: Deprecation | None) -> LiveModel:
    if version is None:
        return replace(model, status=status, deprecation=why)
    return _with_version(model, version, status=status, deprecation=why)


def _with_version(model: LiveModel, version: str, **changes: Any) -> LiveModel:
    number = ModelVersion.parse(version)
    return replace(model, versions={**model.versions, number: replace(model.versions[number], **changes)})


MODEL_FIELDS = ("algorithm", "framework", "description", "tags", "created_by")
