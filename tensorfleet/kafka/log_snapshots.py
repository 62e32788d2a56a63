"""Snapshots of the folded log: of each partition the newest one, used only if the log itself confirms it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from typing import Any, Protocol

from tensorfleet.domain.errors import BlobsUnavailable, LogUnavailable
from tensorfleet.events.snapshot import FoldState, Origin, SnapshotUnusable, dump, load
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import LogIdentity

_LOG = logging.getLogger(__name__)


class SnapshotStore(Protocol):
    """Keeps one snapshot for each name. BlobsUnavailable if it does not answer."""

    async def load(self, name: str) -> bytes | None:
        """None if there is none."""

    async def save(self, name: str, content: bytes) -> None:
        """Replace the one of that name, whole or not at all."""


class LogSnapshots:
    """A snapshot counts only if the log holds, just before the offset at which it continues, the very record that it
    was made after. A lost, damaged or outdated one costs time and nothing else.
    """

    def __init__(self, log: TopicReader, identity: LogIdentity, store: SnapshotStore) -> None:
        self._log = log
        self._identity = identity
        self._store = store

    async def load(self, partition: int) -> tuple[FoldState, list[Any]] | None:
        """The state and what was saved beside it; None if there is none that the log confirms."""
        origin = self._origin(partition)
        try:
            content = await self._store.load(snapshot_name(origin))
            if content is None:
                return None
            state, extra = await asyncio.to_thread(load, content, origin)
            value = await asyncio.to_thread(self._log.value_at, partition, state.next_offset - 1)
            if value is None or hashlib.sha256(value).digest() != state.last_hash:
                raise SnapshotUnusable("the log does not hold the record that it was made after")
        except (BlobsUnavailable, LogUnavailable, SnapshotUnusable) as error:
            _LOG.warning("the snapshot of partition %d is not used: %s", partition, error)
            return None
        return state, extra

    async def save(self, partition: int, state: FoldState, extra: Iterable[Any]) -> bool:
        """Whether it was saved; if not, a warning says why. `extra` is iterated in another thread."""
        origin = self._origin(partition)
        content = await asyncio.to_thread(dump, origin, state, extra)
        try:
            await self._store.save(snapshot_name(origin), content)
        except BlobsUnavailable as error:
            _LOG.warning("no snapshot of partition %d was saved: %s", partition, error)
            return False
        return True

    def _origin(self, partition: int) -> Origin:
        return Origin(self._identity.cluster_id, self._identity.topic_ids[self._log.topic], partition)


def snapshot_name(origin: Origin) -> str:
    """The client writes topic ids in base64 with slashes, and no store takes a name with two of them in a row."""
    return "/".join(one.replace("/", "_") for one in (origin.cluster_id, origin.topic_id, str(origin.partition)))
