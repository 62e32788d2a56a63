"""Looking at a stored blob: is it there, and is it what its name says?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from tensorfleet.blobs.pace import Pace
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BlobMissing, BlobsUnavailable, BlobUnreadable


class Condition(StrEnum):
    WHOLE = "whole"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Inspection:
    """`detail` says what is wrong with a blob that is not WHOLE; `found` is the SHA-256 of what could be read."""

    condition: Condition
    detail: str = ""
    found: str | None = None


MISSING = Inspection(Condition.MISSING, "it is not stored")


async def inspect(store: BlobStore, checksum: str, size_bytes: int, pace: Pace | None = None) -> Inspection:
    """Read a whole blob and compare it. BlobsUnavailable if the store, and not only this blob, does not answer."""
    sha256 = hashlib.sha256()
    try:
        stored_bytes = await store.size(checksum)
        if stored_bytes is None:
            return MISSING
        async for chunk in contents(store, checksum, stored_bytes):
            await asyncio.to_thread(sha256.update, chunk)
            if pace is not None:
                await pace.took(len(chunk))
    except BlobMissing:
        return MISSING
    except BlobUnreadable as error:
        return Inspection(Condition.CORRUPT, error.detail)
    found = sha256.hexdigest()
    if stored_bytes != size_bytes:
        detail = f"it has {stored_bytes} bytes and should have {size_bytes}"
        return Inspection(Condition.CORRUPT, detail, found)
    if found != checksum:
        return Inspection(Condition.CORRUPT, f"its SHA-256 is {found}", found)
    return Inspection(Condition.WHOLE, found=found)


async def contents(store: BlobStore, checksum: str, size_bytes: int) -> AsyncIterator[bytes]:
    """A blob's bytes, not hashed. BlobMissing; BlobUnreadable if only this blob fails, else BlobsUnavailable.

    A store that has noticed by itself that a file's bytes have rotted refuses to send them.
    """
    try:
        async with await store.open(checksum, 0, size_bytes) as reader:
            async for chunk in reader:
                yield chunk
    except BlobsUnavailable as error:
        if not await store.available():
            raise
        raise BlobUnreadable(f"the store does not give it out: {error.detail}") from error
