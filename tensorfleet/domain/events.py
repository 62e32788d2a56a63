"""Events: facts about one model, in the past tense. Each is complete: a reader needs no clock and no lookup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = Any


class Status(StrEnum):
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class BlobFile:
    """A stored file: `checksum` is 64 hex digits of SHA-256, and also the blob's name."""

    size_bytes: int
    checksum: str
    format: str
    filename: str


class ScanVerdict(StrEnum):
    """SAFE: all was read, and nothing found. UNSCANNED: nothing was found in what was read, which was not all."""

    SAFE = "safe"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"
    UNSCANNED = "unscanned"


class Severity(StrEnum):
    """What a finding does to the verdict; a NOTE does nothing."""

    NOTE = "note"
    UNSCANNED = "unscanned"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """`code` is stable, of a closed set; `where` is the path within archives, and after an @ the offset in bytes."""

    severity: Severity
    code: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelRegistered:
    version: str
    algorithm: str
    framework: str
    description: str
    tags: tuple[str, ...]
    created_by: str
    hyperparameters: Mapping[str, Json]
    metrics: Mapping[str, int | float]
    dataset_info: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ModelUpdated:
    """None: unchanged. In the patches a null value says that its key was removed.

    `version` names the version whose fields changed; None if only the model's own fields did.
    """

    version: str | None = None
    algorithm: str | None = None
    framework: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    created_by: str | None = None
    status: Status | None = None
    version_status: Status | None = None
    hyperparameters: Mapping[str, Json] | None = None
    metrics: Mapping[str, int | float | None] | None = None
    dataset_info: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ModelVersioned:
    """`hyperparameters`, `metrics` and `dataset_info` are whole: what was inherited is in them."""

    version: str
    parent_version: str
    breaking: bool
    algorithm: str | None
    framework: str | None
    description: str | None
    tags: tuple[str, ...] | None
    created_by: str | None
    hyperparameters: Mapping[str, Json]
    metrics: Mapping[str, int | float]
    dataset_info: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ModelFileAttached:
    """`newest_file_version` is the newest version with a file after this event."""

    version: str
    file: BlobFile
    newest_file_version: str


@dataclass(frozen=True, slots=True)
class ModelDeprecated:
    version: str | None
    reason: str | None
    replacement_model_id: str | None


@dataclass(frozen=True, slots=True)
class ModelArchived:
    version: str | None


@dataclass(frozen=True, slots=True)
class ModelRestored:
    """`undeleted` tells whether the model had been deleted."""

    version: str | None
    undeleted: bool


@dataclass(frozen=True, slots=True)
class ModelDeleted:
    pass


@dataclass(frozen=True, slots=True)
class ModelVersionDeleted:
    """What the newest version, and the newest with a file, are after the deletion."""

    version: str
    newest_version: str
    newest_file_version: str | None


@dataclass(frozen=True, slots=True)
class MetricsReported:
    """Measured at one moment (`recorded_at`: microseconds since 1970, UTC); the version's own metrics stay."""

    version: str
    metrics: Mapping[str, int | float]
    step: int | None
    recorded_at: int
    source: str


@dataclass(frozen=True, slots=True)
class ParkedRecordsDiscarded:
    """The model's records at these offsets of the log, both included, and those between count for nothing."""

    first_offset: int
    last_offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class ArtifactScanned:
    """The version's file was judged. `format`: what it is by its bytes. `scanner`: name and version of the rules."""

    version: str
    checksum: str
    verdict: ScanVerdict
    format: str
    findings: tuple[ScanFinding, ...]
    scanner: str


@dataclass(frozen=True, slots=True)
class ArtifactReleased:
    """The version's file may be downloaded whatever its verdict says, for as long as the verdict stays the same."""

    version: str
    checksum: str
    reason: str


@dataclass(frozen=True, slots=True)
class ArtifactFoundCorrupt:
    """What is stored is not the version's file any more. `found`: the checksum of what is; None if nothing is."""

    version: str
    checksum: str
    found: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class ArtifactRepaired:
    """What is stored is the version's file again."""

    version: str
    checksum: str
    detail: str


@dataclass(frozen=True, slots=True)
class ModelDownloaded:
    version: str
    algorithm: str
    size_bytes: int


Event = (
    ModelRegistered
    | ModelUpdated
    | ModelVersioned
    | ModelFileAttached
    | ModelDeprecated
    | ModelArchived
    | ModelRestored
    | ModelDeleted
    | ModelVersionDeleted
    | MetricsReported
    | ParkedRecordsDiscarded
    | ArtifactScanned
    | ArtifactReleased
    | ArtifactFoundCorrupt
    | ArtifactRepaired
)
"""What the decider emits. ModelDownloaded is a fact too, but no decision: anyone may download."""
