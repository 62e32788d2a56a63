"""The read models in MongoDB: the names of their collections, their indexes, and how they are read.

The projector writes them, the query API reads them; the shape of each document is in docs/read-models.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, timeout
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure
from pymongo.read_concern import ReadConcern

from tensorfleet.domain.errors import QueryTooBroad, ReadModelsUnavailable
from tensorfleet.mongo.download_windows import DOWNLOAD_WINDOWS, WINDOW_INDEXES
from tensorfleet.mongo.live_generation import LiveGeneration

MODELS: Final = "models"
VERSIONS: Final = "versions"
HISTORY: Final = "history"
SEARCH: Final = "search"
DOWNLOAD_COUNTERS: Final = "download_counters"
DOWNLOAD_HOURS: Final = "download_hours"
DOWNLOAD_TOTALS: Final = "download_totals"
REGISTRATION_HOURS: Final = "registration_hours"
STATISTICS: Final = "statistics"
FACET_COUNTS: Final = "facet_counts"
CHECKPOINTS: Final = "checkpoints"
PARKED: Final = "parked"
PAST_MODELS: Final = "past_models"
PAST_VERSIONS: Final = "past_versions"
PAST_STATISTICS: Final = "past_statistics"
DOWNLOAD_TIMES: Final = "download_times"

Document = dict[str, Any]
Stage = Mapping[str, Any]

_NEWEST: Final = ("created_at", DESCENDING)
_ID: Final = ("_id", ASCENDING)
_FACET: Final = ("facets", ASCENDING)
_LATEST: Final = (("occurred_at", DESCENDING), ("partition", DESCENDING), ("offset", DESCENDING))

INDEXES: Final[Mapping[str, Sequence[IndexModel]]] = {
    MODELS: (
        IndexModel([_FACET, _NEWEST, _ID], name="facet_newest"),
        IndexModel([_FACET, ("updated_at", DESCENDING), _NEWEST, _ID], name="facet_updated"),
        IndexModel([_FACET, ("name", ASCENDING)], name="facet_name"),
    ),
    VERSIONS: (
        IndexModel([("model_id", ASCENDING), ("version_order", DESCENDING)], name="of_model"),
        IndexModel([("deleted", ASCENDING), _NEWEST, ("version_order", DESCENDING), _ID], name="newest"),
    ),
    SEARCH: (IndexModel([("words", ASCENDING)], name="words"),),
    DOWNLOAD_COUNTERS: (
        IndexModel([("deleted", ASCENDING), ("downloads", DESCENDING), _NEWEST, _ID], name="most"),
        IndexModel([("deleted", ASCENDING), ("downloads", ASCENDING), _NEWEST, _ID], name="least"),
        IndexModel([("deleted", ASCENDING), ("downloads", DESCENDING), ("name", ASCENDING)], name="popular"),
    ),
    DOWNLOAD_HOURS: (IndexModel([("hour", ASCENDING)], name="hour"),),
    DOWNLOAD_TOTALS: (IndexModel([("hour", ASCENDING)], name="hour"),),
    DOWNLOAD_WINDOWS: WINDOW_INDEXES,
    REGISTRATION_HOURS: (IndexModel([("hour", ASCENDING)], name="hour"),),
    HISTORY: (
        # Without a type, MongoDB merges the scans of all types: so two indexes serve all filters of the audit.
        IndexModel([("type", ASCENDING), *_LATEST], name="type_latest"),
        IndexModel([("actor", ASCENDING), ("type", ASCENDING), *_LATEST], name="actor_type_latest"),
        IndexModel([("partition", ASCENDING), ("occurred_at", ASCENDING), ("offset", ASCENDING)], name="cut_at_time"),
        IndexModel([("partition", ASCENDING), ("offset", ASCENDING)], name="position"),
    ),
    PAST_MODELS: (
        IndexModel(
            [("deleted", ASCENDING), _NEWEST, ("model_id", ASCENDING)]
            + [(name, ASCENDING) for name in ("partition", "offset", "until")],
            name="newest",
        ),
    ),
    PAST_VERSIONS: (IndexModel([(name, ASCENDING) for name in ("model_id", "until", "offset")], name="of_model"),),
    DOWNLOAD_TIMES: (IndexModel([("hour", ASCENDING)], name="hour"),),
}
"""Beside `_id`, everywhere. A model's history is read by ranges of `_id`; hot counters are in no other index."""

READ_MILLISECONDS: Final = 5_000
SCAN_MILLISECONDS: Final = 3_000
"""How long a read may look through documents that no index picks out."""
_ANSWER_SECONDS: Final = READ_MILLISECONDS / 1000 + 1
_INDEX_NOT_FOUND: Final = 27
_PASSING: Final = frozenset({_INDEX_NOT_FOUND, 50, 91, 189, 11600, 11602, 13388, 13435, 13436})


def ensure_indexes(database: Database[Document]) -> None:
    """Create every collection's indexes; idempotent. The projector calls it before its first write."""
    for collection, indexes in INDEXES.items():
        database[collection].create_indexes(list(indexes))


@contextmanager
def translated() -> Iterator[None]:
    """`meaning`, and retries and all within a time: a frozen server counts as down."""
    with meaning(), timeout(_ANSWER_SECONDS):
        yield


@contextmanager
def meaning() -> Iterator[None]:
    """ReadModelsUnavailable where waiting can help; a query that MongoDB refuses is our mistake, and stays one."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise ReadModelsUnavailable(f"The read models do not answer: {type(error).__name__}.") from error
    except OperationFailure as error:
        if error.code not in _PASSING:
            raise
        raise ReadModelsUnavailable(f"The read models can't answer yet (MongoDB error {error.code}).") from error


def connect(url: str, *, connections: int = 8) -> AsyncMongoClient[Document]:
    """A client for the running event loop; nothing is sent yet."""
    return AsyncMongoClient(
        url,
        maxPoolSize=connections,
        serverSelectionTimeoutMS=2_000,
        connectTimeoutMS=2_000,
        appname="tensorfleet-query-api",
    )


class ReadModels:
    """Reads, each bounded by READ_MILLISECONDS in the server. Every method raises ReadModelsUnavailable.

    Filters and pipelines are in MongoDB's language; whoever builds them keeps text from outside out of field paths,
    and puts it only where a value or a `$literal` stands.
    """

    def __init__(self, live: LiveGeneration) -> None:
        self._live = live

    async def ping(self) -> None:
        with translated():
            await self._live.client.admin.command("ping", maxTimeMS=1_000)

    async def one(self, collection: str, key: str | int) -> Document | None:
        with translated():
            return await self._live.read(
                lambda database: database[collection].find_one({"_id": key}, max_time_ms=READ_MILLISECONDS)
            )

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """`limit` 0: all."""
        order = list(sort) or None
        with translated():
            return await self._live.read(
                lambda database: (
                    database[collection]
                    .find(where, fields, sort=order, limit=limit, max_time_ms=READ_MILLISECONDS)
                    .to_list(None)
                )
            )

    async def aggregate(
        self, collection: str, stages: Sequence[Stage], *, at_one_moment: bool = False
    ) -> list[Document]:
        """`at_one_moment`: all collections that the stages name are read as they were at one moment."""

        async def ask(database: AsyncDatabase[Document]) -> list[Document]:
            asked = database.get_collection(collection, read_concern=_concern(at_one_moment))
            cursor = await asked.aggregate(list(stages), maxTimeMS=READ_MILLISECONDS, allowDiskUse=True)
            return await cursor.to_list(None)

        with translated():
            return await self._live.read(ask)

    async def scan(self, collection: str, stages: Sequence[Stage], *, at_one_moment: bool = False) -> list[Document]:
        """As `aggregate`, for what may have to look through a whole collection. QueryTooBroad if that takes too long.

        The server counts the time, and the client waits longer: a server that does not answer is not mistaken for it.
        """

        async def ask(database: AsyncDatabase[Document]) -> list[Document]:
            asked = database.get_collection(collection, read_concern=_concern(at_one_moment))
            cursor = await asked.aggregate(list(stages), maxTimeMS=SCAN_MILLISECONDS)
            return await cursor.to_list(None)

        try:
            # `timeout` of pymongo would put its own limit in the place of maxTimeMS.
            async with asyncio.timeout(_ANSWER_SECONDS):
                with meaning():
                    return await self._live.read(ask)
        except TimeoutError as error:
            raise ReadModelsUnavailable("The read models do not answer: TimeoutError.") from error
        except ReadModelsUnavailable as error:
            if isinstance(error.__cause__, ExecutionTimeout):
                raise QueryTooBroad from error
            raise


def _concern(at_one_moment: bool) -> ReadConcern | None:
    return ReadConcern("snapshot") if at_one_moment else None
