"""Snapshots of what this instance has folded, so that the next start need not read the log from its beginning.

A snapshot is used only if the log holds, just before the offset at which it continues, the very record that it
was made after. Lost, damaged or outdated ones cost time and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from services.command_api.memory import CommandMemory
from services.command_api.partition import Partition, State
from services.command_api.submission import CommandKey, Receipt
from tensorfleet.domain.errors import BlobsUnavailable, LogUnavailable
from tensorfleet.domain.events import BlobFile
from tensorfleet.events.envelope import Position
from tensorfleet.events.fold import LogFold
from tensorfleet.events.snapshot import FoldState, Origin, SnapshotUnusable, dump, load

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 5.0


class SnapshotStore(Protocol):
    """Keeps one snapshot for each name. BlobsUnavailable if it does not answer."""

    async def load(self, name: str) -> bytes | None:
        """None if there is none."""

    async def save(self, name: str, content: bytes) -> None:
        """Replace the one of that name, whole or not at all."""


class Snapshots:
    """`value_at` reads the value of one record of the log, or None if there is none at this offset."""

    def __init__(
        self,
        store: SnapshotStore,
        origins: Mapping[int, Origin],
        value_at: Callable[[int, int], Awaitable[bytes | None]],
        every: int,
    ) -> None:
        self._store = store
        self._origins = origins
        self._value_at = value_at
        self._every = every
        self._saved: dict[int, int] = {}

    async def restore(self, fold: LogFold, memory: CommandMemory, partition: int) -> None:
        """Fill `fold` and `memory` from the partition's snapshot, if there is one that the log confirms."""
        origin = self._origins[partition]
        try:
            content = await self._store.load(_name(origin))
            if content is None:
                return
            state, keys = await asyncio.to_thread(load, content, origin)
            value = await self._value_at(partition, state.next_offset - 1)
            if value is None or hashlib.sha256(value).digest() != state.last_hash:
                raise SnapshotUnusable("the log does not hold the record that it was made after")
            receipts = [_unpack_key(one, partition) for one in keys]
        except (BlobsUnavailable, LogUnavailable, SnapshotUnusable) as error:
            _LOG.warning("partition %d is folded from the log's beginning: %s", partition, error)
            return
        fold.restore(state)
        for key, receipt, occurred_at in receipts:
            memory.remember(key, receipt, occurred_at)
        self._saved[partition] = state.next_offset

    async def run(self, partitions: Sequence[Partition], memory: CommandMemory) -> None:
        """Save what is owned and has grown by enough records, for ever."""
        while True:
            for one in partitions:
                grown = one.fold.next_offset - self._saved.get(one.number, 0)
                if one.state is State.OWNING and grown >= self._every:
                    await self._save(one, memory)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _save(self, partition: Partition, memory: CommandMemory) -> None:
        state = partition.fold.state()
        keys = memory.of_partition(partition.number)
        origin = self._origins[partition.number]
        content = await asyncio.to_thread(_dump, origin, state, keys)
        try:
            await self._store.save(_name(origin), content)
        except BlobsUnavailable as error:
            _LOG.warning("partition %d: no snapshot was saved: %s", partition.number, error)
            return
        self._saved[partition.number] = state.next_offset


def _dump(origin: Origin, state: FoldState, keys: Sequence[tuple[str, bytes, Receipt, int]]) -> bytes:
    return dump(origin, state, map(_pack_key, keys))


def _name(origin: Origin) -> str:
    return f"{origin.cluster_id}/{origin.topic_id}/{origin.partition}"


def _pack_key(one: tuple[str, bytes, Receipt, int]) -> list[Any]:
    command_id, hash_, receipt, occurred_at = one
    file = receipt.file
    return [
        command_id,
        hash_.hex(),
        occurred_at,
        receipt.event_type,
        receipt.model_id,
        receipt.model_name,
        receipt.version,
        receipt.parent_version,
        receipt.status,
        None if file is None else [file.size_bytes, file.checksum, file.format, file.filename],
        receipt.position.offset,
    ]


def _unpack_key(fields: list[Any], partition: int) -> tuple[CommandKey, Receipt, int]:
    try:
        command_id, hash_, occurred_at, event_type, model_id, name, version, parent, status, file, offset = fields
        blob = None if file is None else BlobFile(*file)
        position = Position(partition, offset)
        receipt = Receipt(event_type, model_id, name, version, parent, status, blob, position)
        return CommandKey(command_id, bytes.fromhex(hash_)), receipt, occurred_at
    except (ValueError, TypeError) as error:
        raise SnapshotUnusable(f"a key in it can't be read: {error!r}") from error
