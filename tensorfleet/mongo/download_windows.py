"""Downloads of each model in the last 24 hours, 7 and 30 days, as upper bounds that know until when they are exact.

Time goes on without events, so these sums are no function of the log: they are no read model, and never compared. Two
parties change them. The projector adds each download to all three sums, in the transaction that also counts it in its
hour. The upkeep subtracts what has left a window since, by summing the hours anew, some models at a time.

So each document holds at any moment: while the hour that runs is below `exact_until`, its sums are exact; from then on
they are no less than the exact ones. A download of hour h makes `exact_until` at most h + 24, when it leaves the first
window: also one that comes late, after which the sums may be too high at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from bson.int64 import Int64
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from tensorfleet.mongo.counters import Document, insert_new
from tensorfleet.mongo.faults import translating

DOWNLOAD_WINDOWS: Final = "download_windows"
WINDOW_HOURS: Final[Mapping[str, int]] = {"day": 24, "week": 7 * 24, "month": 30 * 24}
NEVER: Final = 2**40
"""`exact_until` of a model without downloads in any window."""

WINDOW_INDEXES: Final = (
    *(
        IndexModel(
            [(window, DESCENDING), ("name", ASCENDING)],
            name=window,
            partialFilterExpression={"deleted": False, window: {"$gt": 0}},
        )
        for window in WINDOW_HOURS
    ),
    IndexModel([("exact_until", ASCENDING)], name="exact_until"),
)

_CLOCKS_DIFFER_BY_HOURS: Final = 48
_AT_ONCE: Final = 200


class Growth(NamedTuple):
    """Downloads of a model in one hour since 1970."""

    model_id: str
    name: str
    hour: int
    downloads: int


def this_hour() -> int:
    return int(time.time() // 3600)


def grow(collection: Collection[Document], growths: Iterable[Growth], session: ClientSession | None) -> None:
    """Only what may be in a window for somebody: to replay years costs nothing here."""
    oldest = this_hour() - max(WINDOW_HOURS.values()) - _CLOCKS_DIFFER_BY_HOURS
    added: dict[str, tuple[str, int, int]] = {}
    for one in growths:
        if one.hour > oldest:
            _, downloads, hour = added.get(one.model_id, (one.name, 0, one.hour))
            added[one.model_id] = (one.name, downloads + one.downloads, min(hour, one.hour))
    if not added:
        return
    known = {one["_id"] for one in collection.find({"_id": {"$in": list(added)}}, {"_id": 1}, session=session)}
    new = [_document(key, *added[key]) for key in added if key not in known]
    if new:
        insert_new(collection, new, session)
    same: dict[tuple[int, int], list[str]] = {}
    for key in known:
        _, downloads, hour = added[key]
        same.setdefault((downloads, hour), []).append(key)
    if same:
        updates = [UpdateMany({"_id": {"$in": keys}}, _grown(*one)) for one, keys in same.items()]
        collection.bulk_write(updates, ordered=False, session=session)


def mark_deleted(
    collection: Collection[Document], models: Mapping[str, Document], session: ClientSession | None
) -> None:
    """So that lists need not pass over them; who reads asks the models all the same. `models`: `deleted`, by id."""
    for deleted in (True, False):
        keys = [key for key, members in models.items() if members["deleted"] is deleted]
        if keys:
            collection.update_many({"_id": {"$in": keys}}, {"$set": {"deleted": deleted}}, session=session)


def hours_of_models(model_ids: list[str], hour: int) -> list[Document]:
    """Stages over DOWNLOAD_WINDOWS: as `hours`, the hours of each model that are in the longest window at `hour`."""
    first = hour - max(WINDOW_HOURS.values()) + 1
    of_model = {"$and": [{"$gte": ["$_id", "$$first"]}, {"$lt": ["$_id", "$$end"]}]}
    return [
        {"$match": {"_id": {"$in": model_ids}}},
        {
            "$lookup": {
                "from": "download_hours",
                # `_id` is "<model>:<hour>", and an hour has six digits until 2084; ";" follows ":".
                "let": {"first": {"$concat": ["$_id", f":{first}"]}, "end": {"$concat": ["$_id", ";"]}},
                "pipeline": [
                    {"$match": {"$expr": of_model, "hour": {"$gte": first}}},
                    {"$project": {"_id": 0, "hour": 1, "downloads": 1}},
                ],
                "as": "hours",
            }
        },
        {"$project": {"name": 1, "hours": 1}},
    ]


def sums(hours: list[Document], hour: int) -> dict[str, int]:
    """By window, at `hour`, and `exact_until`."""
    found = dict.fromkeys(WINDOW_HOURS, 0)
    leaving = [NEVER]
    for one in hours:
        for window, length in WINDOW_HOURS.items():
            if one["hour"] > hour - length:
                found[window] += one["downloads"]
                leaving.append(one["hour"] + length)
    return {**found, "exact_until": min(leaving)}


class WindowUpkeep:
    """Makes stale sums exact again; any number of processes may. ReadModelsUnavailable while MongoDB does not answer.

    It reads the hours and writes the sums in one transaction. A projector that adds to one of them meanwhile changes
    the same document, so that one of the two transactions is made again.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._db = database

    def tend(self, hour: int) -> int:
        """Do so for some models whose sums are not exact at `hour`; how many it were, 0 if there are none."""
        with translating(), self._db.client.start_session() as session:
            return session.with_transaction(lambda one: self._tend(one, hour), read_concern=ReadConcern("snapshot"))

    def _tend(self, session: ClientSession, hour: int) -> int:
        windows = self._db[DOWNLOAD_WINDOWS]
        stale = windows.find({"exact_until": {"$lte": hour}}, {"_id": 1}, session=session)
        ids = [one["_id"] for one in stale.sort("exact_until", 1).limit(_AT_ONCE)]
        if not ids:
            return 0
        found = windows.aggregate(hours_of_models(ids, hour), session=session)
        updates = [
            UpdateOne({"_id": one["_id"]}, {"$set": {name: Int64(n) for name, n in sums(one["hours"], hour).items()}})
            for one in found
        ]
        windows.bulk_write(updates, ordered=False, session=session)
        return len(ids)


def _document(model_id: str, name: str, downloads: int, hour: int) -> Document:
    until = Int64(hour + min(WINDOW_HOURS.values()))
    counts = dict.fromkeys(WINDOW_HOURS, Int64(downloads))
    return {"_id": model_id, "name": name, "deleted": False, **counts, "exact_until": until}


def _grown(downloads: int, hour: int) -> Document:
    until = Int64(hour + min(WINDOW_HOURS.values()))
    return {"$inc": dict.fromkeys(WINDOW_HOURS, Int64(downloads)), "$min": {"exact_until": until}}
