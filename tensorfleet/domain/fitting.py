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
        problem = _problem(event, standing, knows)
    except InvalidCommand as error:
        problem = f"with a version that is none: {error.detail}"
    if problem is not None:
        raise Unfoldable(f"{type(event).__name__} {problem}")


def _problem(event: e.Event, standing: Standing, knows: Callable[[str], bool]) -> str | None:
    if isinstance(event, e.ModelRegistered):
        ModelVersion.parse(event.version)
        return "for a model that is live" if standing is Standing.LIVE else None
    if isinstance(event, e.ParkedRecordsDiscarded):
        return "for a model of which these records are not parked"
    if standing is not Standing.LIVE:
        restored = standing is Standing.DELETED and isinstance(event, e.ModelRestored)
        return None if restored else "for a model that is not live"
    if isinstance(event, e.ModelVersioned):
        ModelVersion.parse(event.version)
        ModelVersion.parse(event.parent_version)
        return None
    version = getattr(event, "version", None)
    if version is not None and not _known(version, knows):
        return f"for the unknown version {version}"
    newest = event.newest_version if isinstance(event, e.ModelVersionDeleted) else None
    if newest is not None and (newest == version or not _known(newest, knows)):
        return f"after which {newest} can't be the newest version"
    return None


def _known(version: str, knows: Callable[[str], bool]) -> bool:
    ModelVersion.parse(version)
    return knows(version)
