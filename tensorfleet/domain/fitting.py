"""Which accepted events fit a model's state: one rule for every fold, so that all of them park the same models.

The rule is part of the log's format. Relaxed, it would give a meaning to records that were discarded meanwhile: a new
kind of event gets a section of its own instead.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from tensorfleet.domain import events as e
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.versions import ModelVersion


class Unfoldable(Exception):
    """An accepted event does not fit the state: the log holds something that no decider of ours emits."""


class Standing(Enum):
    NEVER_REGISTERED = auto()
    LIVE = auto()
    DELETED = auto()


def require_fit(event: e.Event, standing: Standing, knows: Callable[[str], bool]) -> None:
    """Unfoldable if `event` can't be applied. `knows` tells whether a version, as `v1.0`, exists and is not deleted."""
    try:
        _require_fit(event, standing, knows)
    except InvalidCommand as error:
        raise Unfoldable(f"{type(event).__name__}: {error.detail}") from error


def _require_fit(event: e.Event, standing: Standing, knows: Callable[[str], bool]) -> None:
    kind = type(event).__name__
    if isinstance(event, e.ParkedRecordsDiscarded):
        raise Unfoldable(f"{kind} for a model of which these records are not parked")
    if isinstance(event, e.ModelRegistered):
        if standing is Standing.LIVE:
            raise Unfoldable(f"{kind} for a model that is live")
        ModelVersion.parse(event.version)
        return
    if isinstance(event, e.ModelRestored) and standing is Standing.DELETED:
        return
    if standing is not Standing.LIVE:
        raise Unfoldable(f"{kind} for a model that is not live")
    if isinstance(event, e.ModelVersioned):
        ModelVersion.parse(event.version)
        ModelVersion.parse(event.parent_version)
        return
    _require_known(kind, getattr(event, "version", None), knows)
    if isinstance(event, e.ModelVersionDeleted):
        _require_known(kind, event.newest_version, knows)
        if event.newest_version == event.version:
            raise Unfoldable(f"{kind} of the version that would be the newest")


def _require_known(kind: str, version: str | None, knows: Callable[[str], bool]) -> None:
    if version is not None:
        ModelVersion.parse(version)
        if not knows(version):
            raise Unfoldable(f"{kind} for the unknown version {version}")
