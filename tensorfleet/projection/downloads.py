"""The counters of a batch of downloads: one per model, and one per model and hour."""

from __future__ import annotations

from collections import Counter

from bson.int64 import Int64

from tensorfleet.events.envelope import Envelope
from tensorfleet.mongo.projection_store import Counts
from tensorfleet.projection.baseline import Baseline

_HOUR_MICROSECONDS = 3600 * 1_000_000
Bucket = tuple[str, int]
"""A model id, and an hour counted from 1970, UTC."""


def bucket_of(download: Envelope) -> Bucket:
    return download.model_id, download.occurred_at // _HOUR_MICROSECONDS


def count_downloads(downloads: list[Bucket], baseline: Baseline) -> tuple[Counts, Counts]:
    """Totals by model id, and hours by `model id:hour`."""
    if not downloads:
        return Counts(), Counts()
    totals = Counter(model for model, _ in downloads)
    hours = {f"{model}:{hour}": (number, model, hour) for (model, hour), number in Counter(downloads).items()}
    new, new_hours = baseline.new_counters(totals, hours)
    return (
        Counts(totals, {key: {} for key in totals if key in new}),
        Counts(
            Counter({key: number for key, (number, _, _) in hours.items()}),
            {
                key: {"model_id": model, "hour": Int64(hour)}
                for key, (_, model, hour) in hours.items()
                if key in new_hours
            },
        ),
    )
