"""The read models in MongoDB: the names of their collections, their indexes, and how they are read.

The projector writes them, the query API reads them; the shape of each document is in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, TEXT, AsyncMongoClient, IndexModel, timeout
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure
from pymongo.read_concern import ReadConcern

from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.mongo.live_generation import LiveGeneration

MODELS: Final = "models"
VERSIONS: Final = "versions"
HISTORY: Final = "history"
SEARCH: Final = "search"
DOWNLOAD_COUNTERS: Final = "download_counters"
DOWNLOAD_HOURS: Final = "download_hours"
STATISTICS: Final = "statistics"
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
_LATEST: Final = (("occurred_at", DESCENDING), ("partition", DESCENDING), ("offset", DESCENDING))

INDEXES: Final[Mapping[str, Sequence[IndexModel]]] = {
    MODELS: (
        IndexModel([("deleted", ASCENDING), _NEWEST, _ID], name="newest"),
        IndexModel([("deleted", ASCENDING), ("updated_at", DESCENDING), _NEWEST, _ID], name="updated"),
        IndexModel([("deleted", ASCENDING), ("name", ASCENDING)], name="name"),
        IndexModel([("algorithm", ASCENDING), ("status", ASCENDING), _NEWEST], name="algorithm_status_newest"),
        IndexModel([("tags", ASCENDING), _NEWEST], name="tags_newest"),
    ),
    VERSIONS: (
        IndexModel([("model_id", ASCENDING), ("version_order", DESCENDING)], name="of_model"),
        IndexModel([("deleted", ASCENDING), _NEWEST, ("version_order", DESCENDING), _ID], name="newest"),
    ),
    SEARCH: (
        IndexModel(
            [("name", TEXT), ("tags", TEXT), ("algorithm", TEXT), ("dataset", TEXT), ("description", TEXT)],
            name="text",
            weights={"name": 10, "tags": 5, "algorithm": 4, "dataset": 2, "description": 1},
            default_language="none",
            # No field of a model may switch the language of its words.
            language_override="_no_such_field",
        ),
    ),
    DOWNLOAD_HOURS: (IndexModel([("hour", ASCENDING)], name="hour"),),
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
_INDEX_NOT_FOUND: Final = 27
_PASSING: Final = frozenset({_INDEX_NOT_FOUND, 50, 91, 189, 11600, 11602, 13388, 13435, 13436})


def ensure_indexes(database: Database[Document]) -> None:
    """Create every collection's indexes; idempotent. The projector calls it before its first write."""
    for collection, indexes in INDEXES.items():
        database[collection].create_indexes(list(indexes))


@contextmanager
def translated() -> Iterator[None]:
    """ReadModelsUnavailable where waiting can help; a query that MongoDB refuses is our mistake, and stays one."""
    try:
        with timeout(READ_MILLISECONDS / 1000 + 1):  # retries and all: a frozen server counts as down
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

    async def count(self, collection: str, where: Mapping[str, Any]) -> int:
        with translated():
            return await self._live.read(
                lambda database: database[collection].count_documents(where, maxTimeMS=READ_MILLISECONDS)
            )

    async def aggregate(
        self, collection: str, stages: Sequence[Stage], *, at_one_moment: bool = False
    ) -> list[Document]:
        """`at_one_moment`: all collections that the stages name are read as they were at one moment."""
        concern = ReadConcern("snapshot") if at_one_moment else None

        async def ask(database: AsyncDatabase[Document]) -> list[Document]:
            asked = database.get_collection(collection, read_concern=concern)
            cursor = await asked.aggregate(list(stages), maxTimeMS=READ_MILLISECONDS, allowDiskUse=True)
            return await cursor.to_list(None)

        with translated():
            return await self._live.read(ask)
