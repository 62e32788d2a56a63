"""Looking after stored files: what others suspect is read again, and all of them slowly, one after the other.

Each instance does so for the models whose partitions it owns. What it finds becomes an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol

from services.command_api.partition import State
from tensorfleet.blobs.inspection import Condition, Inspection, inspect
from tensorfleet.blobs.pace import Pace
from tensorfleet.blobs.store import BlobStore
from tensorfleet.blobs.suspects import Suspect, Suspects
from tensorfleet.domain import commands as c
from tensorfleet.domain.errors import DependencyUnavailable, RegistryError
from tensorfleet.domain.model import LiveModel, VersionState
from tensorfleet.domain.names import MODEL_ID, partition_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.fold import LogFold
from tensorfleet.http.metrics import Metrics

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 2.0
_REST_SECONDS: Final = 60.0

Execute = Callable[[c.Command, str], Awaitable[object]]
"""Carry out a command on the model of this id; RegistryError."""


class ScrubbedPartition(Protocol):
    """As `Partition`."""

    @property
    def state(self) -> State: ...
    @property
    def fold(self) -> LogFold: ...


class Scrub:
    def __init__(
        self,
        partitions: Sequence[ScrubbedPartition],
        blobs: BlobStore,
        suspects: Suspects,
        execute: Execute,
        metrics: Metrics,
    ) -> None:
        self._partitions = partitions
        self._blobs = blobs
        self._suspects = suspects
        self._execute = execute
        self._metrics = metrics

    async def look_into_suspects(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                for one in await self._suspects.all():
                    await self._look_into(one)
            except DependencyUnavailable as error:
                _LOG.warning("suspected files are looked into later: %s", error)

    async def go_round(self, bytes_per_second: int) -> None:
        """Read every file of the owned partitions, for ever, at most so many bytes a second."""
        pace = Pace(bytes_per_second)
        while True:
            for partition in self._partitions:
                for model_id in list(_model_ids(partition)):
                    await self._scrub(partition, model_id, pace)
            await asyncio.sleep(_REST_SECONDS)

    async def _scrub(self, partition: ScrubbedPartition, model_id: str, pace: Pace) -> None:
        await asyncio.sleep(0)
        for version in _files(partition, model_id):
            if partition.state is not State.OWNING:
                return
            try:
                await self._inspect(model_id, version, pace)
            except RegistryError as error:
                _LOG.warning("the file of %s %s was not checked: %s", model_id, version.number, error)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look_into(self, suspect: Suspect) -> None:
        if not MODEL_ID.fullmatch(suspect.model_id):
            await self._suspects.clear(suspect)
            return
        partition = self._partitions[partition_of(suspect.model_id, len(self._partitions))]
        if partition.state is not State.OWNING:
            return
        try:
            for version in _files(partition, suspect.model_id):
                if str(version.number) == suspect.version:
                    await self._inspect(suspect.model_id, version, Pace(None))
        except DependencyUnavailable:
            raise
        except RegistryError as error:
            _LOG.warning("nothing is recorded of the file of %s %s: %s", suspect.model_id, suspect.version, error)
        await self._suspects.clear(suspect)

    async def _inspect(self, model_id: str, version: VersionState, pace: Pace) -> None:
        file = version.file
        assert file is not None
        found = await inspect(self._blobs, file.checksum, file.size_bytes, pace)
        if (found.condition is Condition.WHOLE) == (not version.corrupt):
            return
        if found.condition is not Condition.WHOLE:
            self._metrics.corrupt_blobs.labels("check").inc()
            _LOG.error("the file of %s %s is %s: %s", model_id, version.number, found.condition, found.detail)
        await self._execute(_command(version.number, file.checksum, found), model_id)


def _command(version: ModelVersion, checksum: str, found: Inspection) -> c.Command:
    if found.condition is Condition.WHOLE:
        return c.ReportRepair(version, checksum, "it was read to its end")
    return c.ReportCorruption(version, checksum, found.found, found.detail)


def _model_ids(partition: ScrubbedPartition) -> Iterator[str]:
    if partition.state is State.OWNING:
        yield from partition.fold.models
        yield from partition.fold.packed


def _files(partition: ScrubbedPartition, model_id: str) -> list[VersionState]:
    """The versions of a live model that have a file."""
    model = partition.fold.peek(model_id)
    return [one for one in model.versions.values() if one.file] if isinstance(model, LiveModel) else []
