"""Commands: what someone wants to happen to one model. Any of them may be rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tensorfleet.domain.events import BlobFile, ScanFinding, ScanVerdict, Status
from tensorfleet.domain.versions import ModelVersion

Json = Any
"""A value that JSON can hold."""


@dataclass(frozen=True, slots=True)
class ModelFields:
    """The fields of the model itself; None leaves a field as it is."""

    algorithm: str | None = None
    framework: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class VersionFields:
    """The fields of one version. Maps are merged key by key; a null value removes its key."""

    hyperparameters: Mapping[str, Json] | None = None
    metrics: Mapping[str, int | float | None] | None = None
    dataset_info: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class RegisterModel:
    name: str
    fields: ModelFields
    version_fields: VersionFields = field(default_factory=VersionFields)


@dataclass(frozen=True, slots=True)
class UpdateModel:
    """`version` None: version fields go to the newest version, `status` to the model."""

    fields: ModelFields = field(default_factory=ModelFields)
    version_fields: VersionFields = field(default_factory=VersionFields)
    status: Status | None = None
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class CreateVersion:
    breaking: bool = False
    fields: ModelFields = field(default_factory=ModelFields)
    version_fields: VersionFields = field(default_factory=VersionFields)


@dataclass(frozen=True, slots=True)
class AttachFile:
    """The blob is already stored. `version` None: the newest version."""

    file: BlobFile
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class DeprecateModel:
    reason: str | None = None
    replacement_model_id: str | None = None
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class ArchiveModel:
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class RestoreModel:
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """`if_status`: only if it has this one."""

    if_status: Status | None = None


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    """`if_status`: only if the version has this one."""

    version: ModelVersion
    if_status: Status | None = None


@dataclass(frozen=True, slots=True)
class DiscardParkedRecords:
    """Let a parked model go on without the records that park it. The offsets, if given, must be those of now."""

    reason: str
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True)
class ReportMetrics:
    """`version` None: the newest. Times are microseconds since 1970, UTC; `recorded_at` None: `reported_at`."""

    metrics: Mapping[str, int | float]
    reported_at: int
    recorded_at: int | None = None
    step: int | None = None
    source: str = ""
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class RecordScan:
    """What a scanner says of the version's file. `checksum`: 64 hex digits, of what it read."""

    version: ModelVersion
    checksum: str
    verdict: ScanVerdict
    format: str
    findings: tuple[ScanFinding, ...]
    scanner: str


@dataclass(frozen=True, slots=True)
class ReleaseArtifact:
    """Let the version's file be downloaded although its verdict is not good."""

    version: ModelVersion
    reason: str


@dataclass(frozen=True, slots=True)
class ReportCorruption:
    """`found`: the checksum of what is stored under the file's name, 64 hex digits; None if nothing is."""

    version: ModelVersion
    checksum: str
    found: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class ReportRepair:
    """What is stored was read to its end, and is the version's file."""

    version: ModelVersion
    checksum: str
    detail: str


ArtifactCommand = RecordScan | ReleaseArtifact | ReportCorruption | ReportRepair

Command = (
    RegisterModel
    | UpdateModel
    | CreateVersion
    | AttachFile
    | DeprecateModel
    | ArchiveModel
    | RestoreModel
    | DeleteModel
    | DeleteVersion
    | DiscardParkedRecords
    | ReportMetrics
    | ArtifactCommand
)
