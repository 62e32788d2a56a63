"""Uploads straight to storage that nobody completed: what was sent of them goes some time after they have expired."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tensorfleet.blobs.staging import Staging
from tensorfleet.domain.errors import BlobsUnavailable

MARGIN_SECONDS: Final = 1800
"""A completion that began before the end is not disturbed by it."""
ROUND_SECONDS: Final = 600
_LOG = logging.getLogger(__name__)


class AbandonedUploads:
    """`life_seconds`: how long an upload may be gone on with. Records of completed ones go by the same rule."""

    def __init__(self, staging: Staging, life_seconds: float) -> None:
        self._staging = staging
        self._patience = life_seconds + MARGIN_SECONDS

    async def look(self) -> list[str]:
        """The ids of those that may go. BlobsUnavailable."""
        return [upload_id async for upload_id, age in self._staging.all() if age > self._patience]

    async def remove(self, upload_ids: list[str]) -> None:
        """BlobsUnavailable. Whatever is interrupted is done by the next run."""
        for one in upload_ids:
            await self._staging.discard(one)

    async def go_round(self) -> None:
        """Remove them, again and again; every instance may."""
        while True:
            try:
                found = await self.look()
                await self.remove(found)
                if found:
                    _LOG.info("removed what was sent for %d uploads that have expired", len(found))
            except BlobsUnavailable as error:
                _LOG.warning("uploads that have expired stay for now: %s", error)
            await asyncio.sleep(ROUND_SECONDS)
