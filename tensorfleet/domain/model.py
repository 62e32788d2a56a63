"""The state of one model as the decider sees it: never registered, live, or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tensorfleet.domain.events import BlobFile, ScanVerdict, Status
from tensorfleet.domain.versions import ModelVersion

Json = Any


@dataclass(frozen=True, slots=True)
class Deprecation:
    reason: str | None
    replacement_model_id: str | None


@dataclass(frozen=True, slots=True)
class ScanState:
    """The newest verdict on a file. `released`: an admin lets it be downloaded all the same."""

    verdict: ScanVerdict
    scanner: str
    released: bool


@dataclass(frozen=True, slots=True)
class VersionState:
    """`scan` is None until there is a verdict. `corrupt`: what is stored is not the file any more."""

    number: ModelVersion
    parent: ModelVersion | None
    status: Status
    deprecation: Deprecation | None
    hyperparameters: Mapping[str, Json]
    metrics: Mapping[str, int | float]
    dataset_info: Mapping[str, Json]
    file: BlobFile | None
    scan: ScanState | None = None
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class LiveModel:
    """`versions` holds those not deleted, oldest first, at least one. `highest` is the highest number ever used."""

    algorithm: str
    framework: str
    description: str
    tags: tuple[str, ...]
    created_by: str
    status: Status
    deprecation: Deprecation | None
    versions: dict[ModelVersion, VersionState]
    highest: ModelVersion

    @property
    def newest(self) -> VersionState:
        return self.versions[next(reversed(self.versions))]

    @property
    def newest_with_file(self) -> ModelVersion | None:
        return next((number for number, version in reversed(self.versions.items()) if version.file), None)


@dataclass(frozen=True, slots=True)
class NeverRegistered:
    pass


@dataclass(frozen=True, slots=True)
class DeletedModel:
    """Remembers what it was, so that it can be restored and its numbers are never used again."""

    was: LiveModel


Model = NeverRegistered | LiveModel | DeletedModel
INITIAL: Model = NeverRegistered()
