"""Looking at a stored blob: is it there, and is it what its name says?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BlobMissing, BlobsUnavailable, BlobUnreadable


class Condition(StrEnum):
    WHOLE = "whole"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Inspection:
    """`detail` says what is wrong with a blob that is CORRUPT."""

    condition: Condition
    detail: str = ""


async def inspect(store: BlobStore, checksum: str, size_bytes: int) -> Inspection:
    """Read a whole blob and compare it. BlobsUnavailable if the store, and not only this blob, does not answer."""
    sha256 = hashlib.sha256()
    try:
        stored_bytes = await store.size(checksum)
        if stored_bytes is None:
            return Inspection(Condition.MISSING)
        if stored_bytes != size_bytes:
            return Inspection(Condition.CORRUPT, f"it has {stored_bytes} bytes and should have {size_bytes}")
        async for chunk in contents(store, checksum, size_bytes):
            await asyncio.to_thread(sha256.update, chunk)
    except BlobMissing:
        return Inspection(Condition.MISSING)
    except BlobUnreadable as error:
        return Inspection(Condition.CORRUPT, error.detail)
    if sha256.hexdigest() != checksum:
        return Inspection(Condition.CORRUPT, f"its SHA-256 is {sha256.hexdigest()}")
    return Inspection(Condition.WHOLE)


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
