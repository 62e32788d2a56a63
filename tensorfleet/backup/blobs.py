"""The blobs of a backup: copied out of the store and back into it, hashed on the way."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tensorfleet.backup.manifest import BlobEntry, BlobState, sync_directory
from tensorfleet.backup.segments import digest
from tensorfleet.blobs.inspection import contents
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BlobMissing, BlobUnreadable
from tensorfleet.progress import Progress

_CHUNK_BYTES: Final = 1024 * 1024


def blob_path(directory: Path, checksum: str) -> Path:
    return directory / "blobs" / checksum


async def copy_blobs(
    store: BlobStore | None, directory: Path, entries: Iterable[BlobEntry], progress: Progress
) -> list[BlobEntry]:
    """The entries as they are after copying what is not there yet; all as they were without a store.

    BlobsUnavailable if the store does not answer. What could not be copied before is tried again.
    """
    wanted = sorted(entries, key=lambda one: one.checksum)
    if store is None:
        return wanted
    (directory / "blobs").mkdir(exist_ok=True)
    progress.begin("copying blobs", len(wanted))
    result = []
    for one in wanted:
        there = one.state is BlobState.COPIED and blob_path(directory, one.checksum).exists()
        result.append(one if there else await _copy(store, directory, one))
        progress.advance()
    sync_directory(directory / "blobs")
    return result


async def _copy(store: BlobStore, directory: Path, entry: BlobEntry) -> BlobEntry:
    path = blob_path(directory, entry.checksum)
    if path.exists() and is_copied(directory, entry):
        return replace(entry, state=BlobState.COPIED)
    unfinished = path.with_name(f"{entry.checksum}.part")
    try:
        with _Sink(unfinished) as sink:
            async for chunk in contents(store, entry.checksum, entry.size_bytes):
                await asyncio.to_thread(sink.write, chunk)
        if sink.sha256.hexdigest() != entry.checksum:
            return replace(entry, state=BlobState.CORRUPT)
        unfinished.replace(path)
        return replace(entry, state=BlobState.COPIED)
    except BlobMissing:
        return replace(entry, state=BlobState.MISSING)
    except BlobUnreadable:
        return replace(entry, state=BlobState.CORRUPT)
    finally:
        unfinished.unlink(missing_ok=True)


def is_copied(directory: Path, entry: BlobEntry) -> bool:
    path = blob_path(directory, entry.checksum)
    return path.is_file() and digest(path) == (entry.size_bytes, entry.checksum)


async def put_blob(store: BlobStore, directory: Path, entry: BlobEntry) -> None:
    """ChecksumMismatch if the file has changed since it was verified; then nothing is stored."""
    chunks = _read(blob_path(directory, entry.checksum))
    await store.put(chunks, expected_checksum=entry.checksum, max_bytes=entry.size_bytes)


async def _read(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


class _Sink:
    """A file in the making that is hashed on the way, and durable when it is left."""

    def __init__(self, path: Path) -> None:
        self.sha256 = hashlib.sha256()
        self._file = path.open("wb")

    def write(self, chunk: bytes) -> None:
        self.sha256.update(chunk)
        self._file.write(chunk)

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
