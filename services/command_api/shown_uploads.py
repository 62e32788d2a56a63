"""What a client is told of its upload straight to storage: which parts are there, and URLs for those that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.staging import StagedPart, StagedUpload, Staging
from tensorfleet.domain.errors import UploadNotFound
from tensorfleet.http.times import time_text

URLS_AT_ONCE: Final = 100


class ShownUploads:
    """`now` gives microseconds since 1970."""

    def __init__(self, staging: Staging, presigner: Presigner, now: Callable[[], int]) -> None:
        self._staging = staging
        self._presigner = presigner
        self._now = now

    async def members(self, upload: StagedUpload, after: int) -> dict[str, Any]:
        """With URLs for the first missing parts numbered above `after`. UploadNotFound if nothing is left of it."""
        parts = None if upload.attached else await self._staging.parts(upload)
        if parts is None and not upload.attached and not await self._staging.has_file(upload):
            raise UploadNotFound(upload.upload_id)
        missing = [] if parts is None else missing_parts(upload, parts)
        received = [{"number": one.number, "size_bytes": one.size_bytes, "etag": one.etag} for one in parts or ()]
        return {
            "model_id": upload.model_id,
            "version": upload.version,
            "upload_id": upload.upload_id,
            "state": "completed" if upload.attached else "open",
            "filename": upload.filename,
            "size_bytes": upload.size_bytes,
            "checksum": f"sha256:{upload.checksum}",
            "part_size": upload.part_bytes,
            "part_count": upload.part_count,
            "missing": len(missing),
            "expires_at": time_text(upload.expires_at),
            "received": received,
            "urls": self._urls(upload, [number for number in missing if number > after][:URLS_AT_ONCE]),
        }

    def _urls(self, upload: StagedUpload, numbers: Sequence[int]) -> list[dict[str, Any]]:
        now, found = datetime.fromtimestamp(self._now() / 1e6, UTC), []
        for number in numbers:
            size_bytes = upload.size_of(number)
            signed = self._presigner.part(upload.key, upload.store_id, number, size_bytes, now)
            place = {"number": number, "offset": upload.offset_of(number), "size_bytes": size_bytes}
            found.append({**place, "url": signed.url, "expires_at": time_text(signed.expires_at)})
        return found


def missing_parts(upload: StagedUpload, parts: Sequence[StagedPart]) -> list[int]:
    """Those that are not there, or of another size than was agreed on."""
    sizes = {one.number: one.size_bytes for one in parts}
    return [number for number in range(1, upload.part_count + 1) if sizes.get(number) != upload.size_of(number)]
