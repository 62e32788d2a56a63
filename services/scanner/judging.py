"""From a file in storage to a verdict: fetched into a file without a name, checked, and scanned in the sandbox."""

from __future__ import annotations

import asyncio
import hashlib
from tempfile import TemporaryFile
from typing import IO, Final

from services.scanner.artifact import Artifact
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BlobMissing, BlobUnreadable
from tensorfleet.scanning.limits import Limits
from tensorfleet.scanning.sandbox import judge_open_file
from tensorfleet.scanning.verdict import Verdict, unscanned

_MISSING: Final = unscanned("file-missing", "the file is not in storage")
_CHANGED: Final = unscanned("file-changed", "what is stored is not the file that was uploaded")


class Judge:
    """Memory in use does not grow with the file; the disk holds one file at a time, and none after a crash."""

    def __init__(self, blobs: BlobStore, limits: Limits) -> None:
        self._blobs = blobs
        self._limits = limits

    async def verdict(self, artifact: Artifact) -> Verdict:
        """Whatever becomes of the scan. BlobsUnavailable if storage does not answer: then nothing is known."""
        if artifact.size_bytes > self._limits.file_bytes:
            return unscanned("limit-size", f"a file of {artifact.size_bytes:,} bytes is more than is read")
        try:
            stored = await self._blobs.size(artifact.checksum)
            if stored != artifact.size_bytes:
                return _MISSING if stored is None else _CHANGED
            with TemporaryFile() as file:
                if await self._fetch(artifact, file) != artifact.checksum:
                    return _CHANGED
                return await judge_open_file(file, self._limits)
        except BlobMissing:
            return _MISSING
        except BlobUnreadable:
            return unscanned("file-unreadable", "storage has the file and does not give it out")
        except OSError as error:
            return unscanned(
                "scanner-failed", f"the file can't be scanned here: {error.strerror or type(error).__name__}"
            )

    async def _fetch(self, artifact: Artifact, file: IO[bytes]) -> str:
        """The checksum of what came."""
        hash_ = hashlib.sha256()

        def keep(chunk: bytes) -> None:
            hash_.update(chunk)
            file.write(chunk)

        async with await self._blobs.open(artifact.checksum, 0, artifact.size_bytes) as reader:
            async for chunk in reader:
                await asyncio.to_thread(keep, chunk)
        file.flush()
        return hash_.hexdigest()
