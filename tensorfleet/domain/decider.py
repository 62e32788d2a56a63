"""`decide` turns a command into at most one event, or rejects it; pure, like all of the domain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, assert_never

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain import limits
from tensorfleet.domain.artifacts import decide_artifact
from tensorfleet.domain.errors import (
    FieldError,
    InvalidCommand,
    LastVersion,
    ModelNotFound,
    NameTaken,
    NothingParked,
    OtherStatus,
    VersionHasFile,
    VersionNotFound,
)
from tensorfleet.domain.evolution import merged
from tensorfleet.domain.model import DeletedModel, Deprecation, LiveModel, Model, VersionState
from tensorfleet.domain.versions import FIRST, ModelVersion

_T = TypeVar("_T")
_MAPS = ("hyperparameters", "metrics", "dataset_info")


def decide(command: c.Command, model: Model, model_id: str) -> e.Event | None:
    """The event that carries out `command`, or None if what it asks for is already so.

    Raises InvalidCommand, NotFound or Rejected; then nothing has happened.
    """
    if isinstance(command, c.DiscardParkedRecords):
        raise NothingParked(model_id)
    if isinstance(command, c.RegisterModel):
        return _register(command, model, model_id)
    if isinstance(command, c.RestoreModel) and isinstance(model, DeletedModel):
        if command.version is not None:
            raise ModelNotFound(model_id)
        return e.ModelRestored(version=None, undeleted=True)
    if not isinstance(model, LiveModel):
        raise ModelNotFound(model_id)
    match command:
        case c.UpdateModel():
            return _update(command, model, model_id)
        case c.CreateVersion():
            return _create_version(command, model)
        case c.AttachFile():
            return _attach_file(command, model, model_id)
        case c.DeprecateModel():
            return _deprecate(command, model, model_id)
        case c.ArchiveModel():
            return _archive(command, model, model_id)
        case c.RestoreModel():
            return _restore(command, model, model_id)
        case c.DeleteModel():
            _require_status(command.if_status, model.status)
            return e.ModelDeleted()
        case c.DeleteVersion():
            return _delete_version(command, model, model_id)
        case c.ReportMetrics():
            return _report_metrics(command, model, model_id)
        case c.RecordScan() | c.ReleaseArtifact() | c.ReportCorruption() | c.ReportRepair():
            return decide_artifact(command, _version(model, model_id, command.version), model_id)
        case _:
            assert_never(command)


def _register(command: c.RegisterModel, model: Model, model_id: str) -> e.Event:
    if isinstance(model, LiveModel):
        raise NameTaken(command.name, model_id)
    fields, version = command.fields, command.version_fields
    _check(_model_field_problems(fields), _version_field_problems(version, removals=False))
    if not fields.algorithm:
        raise InvalidCommand.of("algorithm", "is required")
    number = model.was.highest.next(breaking=True) if isinstance(model, DeletedModel) else FIRST
    return e.ModelRegistered(
        version=str(number),
        algorithm=fields.algorithm,
        framework=fields.framework or "",
        description=fields.description or "",
        tags=fields.tags or (),
        created_by=fields.created_by or "",
        hyperparameters=version.hyperparameters or {},
        metrics=_numbers(version.metrics or {}),
        dataset_info=version.dataset_info or {},
    )


def _update(command: c.UpdateModel, model: LiveModel, model_id: str) -> e.Event | None:
    fields, patch = command.fields, command.version_fields
    _check(_model_field_problems(fields), _version_field_problems(patch, removals=True))
    if command.version is not None and fields != c.ModelFields():
        raise InvalidCommand("A field of the model can't be changed together with ?version=.")
    target = _version(model, model_id, command.version)
    touches_version = patch != c.VersionFields() or command.version is not None
    event = e.ModelUpdated(
        version=str(target.number) if touches_version else None,
        algorithm=_if_new(fields.algorithm, model.algorithm),
        framework=_if_new(fields.framework, model.framework),
        description=_if_new(fields.description, model.description),
        tags=_if_new(fields.tags, model.tags),
        created_by=_if_new(fields.created_by, model.created_by),
        status=_if_new(command.status, model.status) if command.version is None else None,
        version_status=_if_new(command.status, target.status) if command.version is not None else None,
        hyperparameters=_patch_if_new(patch.hyperparameters, target.hyperparameters),
        metrics=_patch_if_new(patch.metrics, target.metrics),
        dataset_info=_patch_if_new(patch.dataset_info, target.dataset_info),
    )
    _check_merged(event, target)
    unchanged = e.ModelUpdated(version=event.version)
    return None if event == unchanged else event


def _create_version(command: c.CreateVersion, model: LiveModel) -> e.Event:
    fields, patch = command.fields, command.version_fields
    _check(_model_field_problems(fields), _version_field_problems(patch, removals=True))
    if len(model.versions) >= limits.VERSIONS:
        raise InvalidCommand(f"The model has {limits.VERSIONS} versions, and no more are allowed; delete some.")
    parent = model.newest
    number = model.highest.next(breaking=command.breaking)
    if max(number.major, number.minor) > limits.VERSION_NUMBER:
        raise InvalidCommand("The version number would be too large.")
    event = e.ModelVersioned(
        version=str(number),
        parent_version=str(parent.number),
        breaking=command.breaking,
        algorithm=_if_new(fields.algorithm, model.algorithm),
        framework=_if_new(fields.framework, model.framework),
        description=_if_new(fields.description, model.description),
        tags=_if_new(fields.tags, model.tags),
        created_by=_if_new(fields.created_by, model.created_by),
        hyperparameters=merged(parent.hyperparameters, patch.hyperparameters),
        metrics=merged(parent.metrics, patch.metrics),
        dataset_info=merged(parent.dataset_info, patch.dataset_info),
    )
    for field in _MAPS:
        if getattr(patch, field) is not None:
            _check_size(field, getattr(event, field))
    return event


def _attach_file(command: c.AttachFile, model: LiveModel, model_id: str) -> e.Event | None:
    target = _version(model, model_id, command.version)
    if target.file is not None:
        if target.file.checksum == command.file.checksum:
            return None
        raise VersionHasFile(model_id, str(target.number))
    newest = max(model.newest_with_file or target.number, target.number)
    return e.ModelFileAttached(str(target.number), command.file, newest_file_version=str(newest))


def _deprecate(command: c.DeprecateModel, model: LiveModel, model_id: str) -> e.Event | None:
    if command.reason is not None:
        problem = limits.text_problem(command.reason, limits.REASON_CHARACTERS, lines=True)
        if problem:
            raise InvalidCommand.of("reason", problem)
    if command.replacement_model_id == model_id and command.version is None:
        raise InvalidCommand.of("replacement_model_id", "is the model itself")
    subject = model if command.version is None else _version(model, model_id, command.version)
    wanted = Deprecation(command.reason, command.replacement_model_id)
    if subject.status is e.Status.DEPRECATED and (subject.deprecation or Deprecation(None, None)) == wanted:
        return None
    return e.ModelDeprecated(_text(command.version), command.reason, command.replacement_model_id)


def _archive(command: c.ArchiveModel, model: LiveModel, model_id: str) -> e.Event | None:
    subject = model if command.version is None else _version(model, model_id, command.version)
    return None if subject.status is e.Status.ARCHIVED else e.ModelArchived(_text(command.version))


def _restore(command: c.RestoreModel, model: LiveModel, model_id: str) -> e.Event | None:
    subject = model if command.version is None else _version(model, model_id, command.version)
    if subject.status is e.Status.ACTIVE:
        return None
    return e.ModelRestored(_text(command.version), undeleted=False)


def _require_status(wanted: e.Status | None, present: e.Status) -> None:
    if wanted is not None and wanted is not present:
        raise OtherStatus(f"Its status is {present}, not {wanted}.")


def _delete_version(command: c.DeleteVersion, model: LiveModel, model_id: str) -> e.Event:
    _require_status(command.if_status, _version(model, model_id, command.version).status)
    left = {number: version for number, version in model.versions.items() if number != command.version}
    if not left:
        raise LastVersion(model_id, str(command.version))
    with_file = max((number for number, version in left.items() if version.file), default=None)
    return e.ModelVersionDeleted(str(command.version), str(max(left)), _text(with_file))


def _report_metrics(command: c.ReportMetrics, model: LiveModel, model_id: str) -> e.Event:
    """Every report is a new measurement, also one that equals the last."""
    target = _version(model, model_id, command.version)
    _check(_report_problems(command))
    recorded_at = command.reported_at if command.recorded_at is None else command.recorded_at
    return e.MetricsReported(str(target.number), command.metrics, command.step, recorded_at, command.source)


def _version(model: LiveModel, model_id: str, number: ModelVersion | None) -> VersionState:
    if number is None:
        return model.newest
    try:
        return model.versions[number]
    except KeyError:
        raise VersionNotFound(model_id, str(number)) from None


def _text(number: ModelVersion | None) -> str | None:
    return None if number is None else str(number)


def _if_new(wanted: _T | None, present: _T) -> _T | None:
    return None if wanted == present else wanted


def _patch_if_new(patch: Mapping[str, Any] | None, present: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if patch is None:
        return None
    result = merged(present, patch)
    return None if _same(result, present) else patch


def _same(left: object, right: object) -> bool:
    """Equal as JSON: 1, 1.0 and true are three different values."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and left == right


def _numbers(metrics: Mapping[str, int | float | None]) -> dict[str, int | float]:
    return {name: value for name, value in metrics.items() if value is not None}


def _check(*problems: Iterable[FieldError]) -> None:
    found = [problem for group in problems for problem in group]
    if found:
        raise InvalidCommand(f"{found[0].field} {found[0].message}.", found)


def _check_merged(event: e.ModelUpdated, target: VersionState) -> None:
    for field in _MAPS:
        patch = getattr(event, field)
        if patch is not None:
            _check_size(field, merged(getattr(target, field), patch))


def _check_size(field: str, result: Mapping[str, object]) -> None:
    if len(result) > limits.MAP_KEYS:
        raise InvalidCommand.of(field, f"would have {len(result)} keys; at most {limits.MAP_KEYS} are allowed")
    size = len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())
    if size > limits.MAP_BYTES:
        raise InvalidCommand.of(field, f"would have {size} bytes as JSON; at most {limits.MAP_BYTES} are allowed")


def _model_field_problems(fields: c.ModelFields) -> Iterable[FieldError]:
    for name, most in (
        ("algorithm", limits.ALGORITHM_CHARACTERS),
        ("framework", limits.FRAMEWORK_CHARACTERS),
        ("created_by", limits.CREATED_BY_CHARACTERS),
    ):
        value = getattr(fields, name)
        problem = None if value is None else limits.text_problem(value, most)
        if problem:
            yield FieldError(name, problem)
    if fields.algorithm is not None and not fields.algorithm.strip():
        yield FieldError("algorithm", "is empty")
    if fields.description is not None:
        yield from limits.description_problems(fields.description)
    if fields.tags is not None:
        yield from limits.tag_problems(fields.tags)


def _report_problems(command: c.ReportMetrics) -> Iterable[FieldError]:
    if not command.metrics:
        yield FieldError("metrics", "names no metric")
    yield from limits.metric_problems(command.metrics)
    if command.step is not None and not 0 <= command.step <= limits.INTEGER_MAX:
        yield FieldError("step", f"is not between 0 and {limits.INTEGER_MAX}")
    ahead = limits.RECORDED_AHEAD_SECONDS
    if command.recorded_at is not None and not 0 <= command.recorded_at <= command.reported_at + ahead * 1_000_000:
        yield FieldError("recorded_at", f"is not between 1970 and {ahead} seconds from now")
    problem = limits.text_problem(command.source, limits.SOURCE_CHARACTERS)
    if problem:
        yield FieldError("source", problem)


def _version_field_problems(fields: c.VersionFields, *, removals: bool) -> Iterable[FieldError]:
    if fields.hyperparameters is not None:
        yield from limits.map_problems("hyperparameters", fields.hyperparameters)
    if fields.dataset_info is not None:
        yield from limits.map_problems("dataset_info", fields.dataset_info)
    if fields.metrics is not None:
        yield from limits.metric_problems(fields.metrics, removals=removals)
