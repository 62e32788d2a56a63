"""Snapshots of what this instance has folded, so that the next start need not read the log from its beginning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from services.command_api.memory import CommandMemory
from services.command_api.partition import Partition, State
from services.command_api.submission import CommandKey, Receipt
from tensorfleet.domain.events import BlobFile
from tensorfleet.events.envelope import Position
from tensorfleet.events.fold import LogFold
from tensorfleet.events.snapshot import SnapshotUnusable
from tensorfleet.kafka.log_snapshots import LogSnapshots

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 5.0


class Snapshots:
    """The fold of a partition and, beside it, the idempotency keys of its commands."""

    def __init__(self, kept: LogSnapshots, every: int) -> None:
        self._kept = kept
        self._every = every
        self._saved: dict[int, int] = {}

    async def restore(self, fold: LogFold, memory: CommandMemory, partition: int) -> None:
        """Fill `fold` and `memory` from the partition's snapshot, if there is one that the log confirms."""
        found = await self._kept.load(partition)
        if found is None:
            return
        state, keys = found
        try:
            receipts = [_unpack_key(one, partition) for one in keys]
        except SnapshotUnusable as error:
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
        if await self._kept.save(partition.number, state, map(_pack_key, keys)):
            self._saved[partition.number] = state.next_offset


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
