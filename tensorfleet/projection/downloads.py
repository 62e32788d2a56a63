"""What a batch changes in the counters: downloads by model, by model and hour, and of the whole registry.

A counter also holds what lists by downloads need of its model, so that one index serves them. A counter may be made by
the first download or by the registration, whichever is projected first; the log alone says what the model is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bson.int64 import Int64

from tensorfleet.events.envelope import Envelope
from tensorfleet.mongo.counters import Counts, HourTotals
from tensorfleet.mongo.download_windows import Growth
from tensorfleet.projection.baseline import Baseline
from tensorfleet.projection.documents import Document

_HOUR_MICROSECONDS: Final = 3600 * 1_000_000
_UNKNOWN: Final = {"created_at": Int64(0), "deleted": True, "name": ""}
"""A model that was downloaded, and whose registration is not projected yet: no list shows it."""


class Download(NamedTuple):
    """`hour` is counted from 1970, UTC; `partition` is that of the record."""

    model_id: str
    name: str
    hour: int
    partition: int


def download_of(envelope: Envelope, partition: int) -> Download:
    return Download(envelope.model_id, envelope.model_name, hour_of(envelope.occurred_at), partition)


def listed(model: Document | None) -> Document | None:
    """What a model's counter holds of it."""
    return None if model is None else {name: model[name] for name in _UNKNOWN}


def count_registration(registrations: HourTotals, partition: int, before: Document | None, after: Document) -> None:
    """Live models by the hour in which they were registered."""
    for model, sign in ((before, -1), (after, 1)):
        if model is not None and not model["deleted"]:
            registrations[partition, hour_of(model["created_at"])] += sign


def count_totals(downloads: Sequence[Download]) -> HourTotals:
    """By partition and hour; under None: those of all hours."""
    totals: HourTotals = Counter((one.partition, one.hour) for one in downloads)
    totals.update(Counter((one.partition, None) for one in downloads))
    return totals


def growths(downloads: Sequence[Download]) -> list[Growth]:
    counted = Counter((one.model_id, one.name, one.hour) for one in downloads)
    return [Growth(*key, number) for key, number in counted.items()]


def count_downloads(
    downloads: Sequence[Download], changed: dict[str, Document], baseline: Baseline
) -> tuple[Counts, Counts]:
    """Totals by model id, and hours by `model id:hour`. `changed`: by model id, what is `listed` of it from now on."""
    if not downloads and not changed:
        return Counts(), Counts()
    totals = Counter(one.model_id for one in downloads)
    hours = {
        f"{model}:{hour}": (number, model, hour)
        for (model, hour), number in Counter((one.model_id, one.hour) for one in downloads).items()
    }
    new, new_hours = baseline.new_counters({*totals, *changed}, hours)
    return (
        Counts(
            totals,
            {key: {**_UNKNOWN, **changed.get(key, {})} for key in {**totals, **changed} if key in new},
            {key: members for key, members in changed.items() if key not in new},
        ),
        Counts(
            Counter({key: number for key, (number, _, _) in hours.items()}),
            {
                key: {"model_id": model, "hour": Int64(hour)}
                for key, (_, model, hour) in hours.items()
                if key in new_hours
            },
        ),
    )


def hour_of(microseconds: Any) -> int:
    """Counted from 1970, UTC."""
    return int(microseconds) // _HOUR_MICROSECONDS
