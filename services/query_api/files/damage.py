"""What happens when a download can't have the bytes of a file, or has the wrong ones: the command side hears of it."""

from __future__ import annotations

import logging

from tensorfleet.blobs.store import BlobStore
from tensorfleet.blobs.suspects import Suspect, Suspects
from tensorfleet.domain.errors import BlobCorrupt, BlobMissing, BlobsUnavailable
from tensorfleet.http.metrics import Metrics

_LOG = logging.getLogger(__name__)


class DamageReports:
    def __init__(self, blobs: BlobStore, suspects: Suspects, metrics: Metrics) -> None:
        self._blobs = blobs
        self._suspects = suspects
        self._metrics = metrics

    async def failed(self, suspect: Suspect, error: BlobsUnavailable | BlobMissing) -> None:
        """Never raises: if the report can't be kept, the next download of the file, or the scrub, makes it again.

        A store that answers, and gives out all but this file, may have found by itself that its bytes have rotted.
        """
        if isinstance(error, BlobCorrupt):
            self._metrics.corrupt_blobs.labels("download").inc()
        elif isinstance(error, BlobsUnavailable) and not await self._blobs.available():
            return
        _LOG.error("the file of %s %s is not right: %s", suspect.model_id, suspect.version, error)
        try:
            await self._suspects.report(suspect)
        except BlobsUnavailable as trouble:
            _LOG.warning("this could not be reported: %s", trouble)
