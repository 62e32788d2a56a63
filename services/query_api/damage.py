"""What happens when a download finds a damaged file: a metric rises, and the command side hears of it."""

from __future__ import annotations

import logging

from tensorfleet.blobs.suspects import Suspect, Suspects
from tensorfleet.domain.errors import BlobsUnavailable
from tensorfleet.http.metrics import Metrics

_LOG = logging.getLogger(__name__)


class DamageReports:
    def __init__(self, suspects: Suspects, metrics: Metrics) -> None:
        self._suspects = suspects
        self._metrics = metrics

    async def found(self, suspect: Suspect) -> None:
        """Never fails: if the report can't be kept, the next download of the file, or the scrub, makes it again."""
        self._metrics.corrupt_blobs.labels("download").inc()
        _LOG.error("the file of %s %s is damaged: sha256:%s", suspect.model_id, suspect.version, suspect.checksum)
        try:
            await self._suspects.report(suspect)
        except BlobsUnavailable as error:
            _LOG.warning("the damage could not be reported: %s", error)
