"""Writes counters within a projector's transaction: many at once, for most of them grow by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson.int64 import Int64
from pymongo import UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from tensorfleet.domain.errors import ReadModelsUnavailable

Document = dict[str, Any]
_DUPLICATE: Final = 11000


@dataclass(slots=True)
class Counts:
    """How many to add to each counter, by its `_id`; `fresh` are those not there yet, with their other members.

    `changed` are other members of those that are there.
    """

    added: Counter[str] = field(default_factory=Counter)
    fresh: dict[str, Document] = field(default_factory=dict)
    changed: dict[str, Document] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        """Whether the counter exists once this is written."""
        return key in self.added or key in self.fresh or key in self.changed

    def merge(self, later: Counts) -> None:
        """`later` knows which counters are in here: none of its `fresh` ones is."""
        self.added.update(later.added)
        self.fresh |= later.fresh
        for key, members in later.changed.items():
            held = self.fresh if key in self.fresh else self.changed
            held[key] = {**held.get(key, {}), **members}


HourTotals = Counter[tuple[int, int | None]]
"""By partition, and the hour since 1970; None stands for all hours."""


def write_counts(collection: Collection[Document], counts: Counts, session: ClientSession | None) -> None:
    """ReadModelsUnavailable if another projector has made one of the `fresh` ones meanwhile: fold the batch again."""
    new = [{"_id": key, **members, "downloads": Int64(counts.added[key])} for key, members in counts.fresh.items()]
    if new:
        insert_new(collection, new, session)
    by_number: dict[int, list[str]] = {}
    for key, number in counts.added.items():
        if key not in counts.fresh:
            by_number.setdefault(number, []).append(key)
    grown: list[UpdateMany | UpdateOne] = [
        UpdateMany({"_id": {"$in": keys}}, {"$inc": {"downloads": Int64(number)}}) for number, keys in by_number.items()
    ]
    grown += [UpdateOne({"_id": key}, {"$set": members}) for key, members in counts.changed.items()]
    if grown:
        collection.bulk_write(grown, ordered=False, session=session)


def write_totals(
    collection: Collection[Document], field: str, totals: HourTotals, session: ClientSession | None
) -> None:
    """A sum that is 0 is written too: whether it is there must not depend on the batches."""
    puts = [
        UpdateOne(
            {"_id": str(partition) if hour is None else f"{partition}:{hour}"},
            {"$inc": {field: Int64(number)}, "$setOnInsert": {"hour": None if hour is None else Int64(hour)}},
            upsert=True,
        )
        for (partition, hour), number in totals.items()
    ]
    if puts:
        collection.bulk_write(puts, ordered=False, session=session)


def insert_new(collection: Collection[Document], documents: Sequence[Document], session: ClientSession | None) -> None:
    """Log and downloads of a partition may be projected by two processes, and both may make a model's counter."""
    try:
        collection.insert_many(documents, ordered=False, session=session)
    except BulkWriteError as error:
        if any(one["code"] != _DUPLICATE for one in error.details["writeErrors"]):
            raise
        raise ReadModelsUnavailable(f"Another projector has made some {collection.name} meanwhile.") from error
