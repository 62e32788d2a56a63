"""Removing what nothing refers to, beside uploads of the same content: docs/decisions/0020-collecting-blobs.md."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tensorfleet.blobs.claims import CLAIM_SECONDS
from tensorfleet.blobs.staging import STAGED
from tensorfleet.domain.errors import CollectionRefused
from tensorfleet.progress import Progress

if TYPE_CHECKING:  # minio's client takes a while to load, and most commands do without it
    from tensorfleet.blobs.minio_inventory import MinioInventory, StoredObject, UnfinishedUpload

BATCH: Final = 100
MOST_SECONDS: Final = CLAIM_SECONDS / 5
"""A mark is trusted this long by whoever set it, and five times as long by everyone else."""
LEAST_PATIENCE_SECONDS: Final = 2 * CLAIM_SECONDS
"""An upload that is under way is never taken for one that ended, however short the grace period."""
STAGED_SECONDS: Final = 8 * 86_400
"""Longer than an upload straight to storage may be gone on with. Those that have a record go by `AbandonedUploads`."""
_AT_ONCE: Final = 8
_NO_MARK: Final = ""


class KnownReferences(Protocol):
    """As `References`."""

    def catch_up(self) -> None: ...
    def require_complete(self) -> None: ...
    def needed(self, checksum: str, since: int) -> bool: ...
    def ever(self, checksum: str) -> bool: ...


@dataclass(slots=True)
class Collectable:
    """What may go as far as a first look shows. `orphans`: no event ever named them. `released`: one did."""

    orphans: list[StoredObject] = field(default_factory=list)
    released: list[StoredObject] = field(default_factory=list)
    leftovers: list[StoredObject] = field(default_factory=list)
    uploads: list[UnfinishedUpload] = field(default_factory=list)

    @property
    def blobs(self) -> list[StoredObject]:
        return [*self.orphans, *self.released]


@dataclass(slots=True)
class Collected:
    """`spared`: blobs that somebody wanted again between the look and the removal."""

    blobs: int = 0
    size_bytes: int = 0
    spared: int = 0
    leftovers: int = 0


async def require_own_bucket(inventory: MinioInventory, registry: str, identity: str) -> None:
    """CollectionRefused unless the bucket is used by this registry alone, with this very log."""
    signed = await inventory.signatures()
    others = sorted(signed.keys() - {registry})
    if others:
        raise CollectionRefused(
            f"Other registries keep files in this bucket: {', '.join(others)}. If one of them is no more, remove its "
            "object below registries/."
        )
    if signed.get(registry) != identity:
        raise CollectionRefused(
            "No service of this registry with this log has signed the bucket: is it the right bucket, and the right "
            "log? Starting a command API signs it."
        )


class Collector:
    """`now` gives microseconds since 1970. BlobsUnavailable, LogUnavailable, CollectionRefused from every method."""

    def __init__(
        self,
        inventory: MinioInventory,
        references: KnownReferences,
        grace_seconds: float,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        *,
        alone: bool = False,
    ) -> None:
        """`alone`: nobody uploads, so nothing is marked. A store without room takes no marks."""
        self._inventory = inventory
        self._references = references
        self._grace_seconds = grace_seconds
        self._now = now
        self._alone = alone

    async def look(self) -> Collectable:
        """What may go, by the references as they were read."""
        self._references.require_complete()
        found = Collectable()
        async for one in self._old(self._inventory.blobs(), self._grace_seconds):
            if not self._references.needed(one.checksum, self._horizon()):
                (found.released if self._references.ever(one.checksum) else found.orphans).append(one)
        patience = max(self._grace_seconds, LEAST_PATIENCE_SECONDS)
        found.leftovers = [one async for one in self._old(self._inventory.incoming(), patience)]
        found.leftovers += [one async for one in self._old(self._inventory.marks(), LEAST_PATIENCE_SECONDS)]
        found.leftovers += [one async for one in self._old(self._inventory.staged(), STAGED_SECONDS)]
        for upload in await self._inventory.unfinished_uploads():
            if upload.age_seconds > (STAGED_SECONDS if upload.key.startswith(STAGED) else patience):
                found.uploads.append(upload)
        return found

    async def remove(self, found: Collectable, progress: Progress) -> Collected:
        """Remove what still may go. Whatever is interrupted is safe, and done by the next run."""
        done = Collected()
        for one in found.leftovers:
            await self._inventory.remove(one.key)
        for upload in found.uploads:
            await self._inventory.abort(upload)
        done.leftovers = len(found.leftovers) + len(found.uploads)
        blobs = found.blobs
        progress.begin("removing blobs", len(blobs))
        for start in range(0, len(blobs), BATCH):
            batch = blobs[start : start + BATCH]
            await self._remove_batch(batch, done)
            progress.advance(len(batch))
        return done

    async def _remove_batch(self, batch: Sequence[StoredObject], done: Collected) -> None:
        """Mark first, read the log to its end after that, then remove: whoever comes later sees the mark."""
        until = time.monotonic() + MOST_SECONDS
        limit = asyncio.Semaphore(_AT_ONCE)

        async def condemn(one: StoredObject) -> str | None:
            if self._alone:
                return _NO_MARK
            async with limit:
                return await self._inventory.condemn(one.checksum)

        marks = await asyncio.gather(*map(condemn, batch))
        await asyncio.to_thread(self._references.catch_up)
        self._references.require_complete()

        async def settle(one: StoredObject, mark: str | None) -> None:
            if mark is None:
                done.spared += 1
                return
            async with limit:
                if await self._may_go(one) and time.monotonic() < until:
                    await self._inventory.remove(one.key)
                    done.blobs += 1
                    done.size_bytes += one.size_bytes
                else:
                    done.spared += 1
                if mark != _NO_MARK:
                    await self._inventory.remove(mark)

        await asyncio.gather(*map(settle, batch, marks))

    async def _may_go(self, one: StoredObject) -> bool:
        if self._references.needed(one.checksum, self._horizon()):
            return False
        age = await self._inventory.age_seconds(one.key)
        return age is not None and age > self._grace_seconds

    def _horizon(self) -> int:
        return self._now() - int(self._grace_seconds * 1e6)

    @staticmethod
    async def _old(objects: AsyncIterator[StoredObject], seconds: float) -> AsyncIterator[StoredObject]:
        async for one in objects:
            if one.age_seconds > seconds:
                yield one
