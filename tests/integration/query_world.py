"""A query API on a real port over a real MongoDB, with builders for the documents that the projector writes."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import uvicorn
from pymongo import MongoClient
from pymongo.database import Database

from services.query_api.app import query_routes
from services.query_api.files.damage import DamageReports
from tensorfleet.blobs.claims import Claim
from tensorfleet.blobs.store import StoredBlob
from tensorfleet.blobs.suspects import Suspect
from tensorfleet.domain.errors import BlobCorrupt, BlobMissing, LogUnavailable
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.topics import Topics
from tensorfleet.http.app import make_app
from tensorfleet.http.metrics import Metrics
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch
from tensorfleet.mongo.download_windows import WINDOW_HOURS
from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import ReadModels, connect, ensure_indexes
from tensorfleet.mongo.standing import StandingReader
from tensorfleet.projection.facets import count_id, facets_of
from tensorfleet.projection.search_entries import search_entry

MIB = 1024 * 1024
HOUR = 3_600_000_000
NOW = 1_795_262_400_000_000 + 5 * HOUR  # 2026-11-21T17:00:00Z, a Saturday
Document = dict[str, Any]
OF_NEWEST = ("version", "version_order", "parent_version", "file", "scan", "corrupt")
NOT_SCANNED: Document = {
    "verdict": "unscanned",
    "format": None,
    "findings": [],
    "scanner": None,
    "scanned_at": None,
    "released": False,
}


@dataclass
class MemoryReader:
    content: bytes
    chunks_before_it_hangs: int | None = None
    closed: bool = False
    corrupt: str | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.chunks_before_it_hangs is not None:
            self.chunks_before_it_hangs -= 1
        await asyncio.sleep(60 if self.chunks_before_it_hangs == -1 else 0)
        if not self.content:
            self.closed = True
            raise StopAsyncIteration
        chunk, self.content = self.content[:MIB], self.content[MIB:]
        if self.corrupt and not self.content:
            self.closed = True
            raise BlobCorrupt(self.corrupt)
        return chunk

    async def aclose(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


@dataclass
class MemoryBlobs:
    """A BlobStore that only reads."""

    contents: dict[str, bytes] = field(default_factory=dict)
    readers: list[MemoryReader] = field(default_factory=list)
    chunks_before_it_hangs: int | None = None

    async def ensure_bucket(self) -> None: ...

    async def available(self) -> bool:
        return True

    async def put(
        self, chunks: AsyncIterator[bytes], *, expected_checksum: str | None, max_bytes: int, renew: bool = False
    ) -> StoredBlob:
        raise NotImplementedError

    async def size(self, checksum: str) -> int | None:
        return len(self.contents[checksum]) if checksum in self.contents else None

    async def claim(self, checksum: str) -> Claim:
        raise NotImplementedError

    def release(self, claim: Claim) -> None:
        raise NotImplementedError

    async def open(self, checksum: str, start: int, length: int, *, verified: bool = False) -> MemoryReader:
        if checksum not in self.contents:
            raise BlobMissing(checksum)
        content = self.contents[checksum][start : start + length]
        right = not verified or hashlib.sha256(content).hexdigest() == checksum
        self.readers.append(MemoryReader(content, self.chunks_before_it_hangs, corrupt=None if right else checksum))
        return self.readers[-1]


@dataclass
class MemoryDownloads:
    """A DownloadLog that can be made to fail."""

    recorded: list[tuple[str, str, str, str, int, str]] = field(default_factory=list)
    failing: bool = False

    async def record(
        self, model_id: str, model_name: str, version: str, algorithm: str, size_bytes: int, actor: str
    ) -> None:
        if self.failing:
            raise LogUnavailable("Kafka does not answer.")
        self.recorded.append((model_id, model_name, version, algorithm, size_bytes, actor))


@dataclass
class MemorySuspects:
    reported: list[Suspect] = field(default_factory=list)

    async def report(self, suspect: Suspect) -> None:
        self.reported.append(suspect)

    async def all(self) -> list[Suspect]:
        return self.reported

    async def clear(self, suspect: Suspect) -> None:
        self.reported.remove(suspect)


class NoRecords:
    """A log that can't be asked."""

    def find(self, partition: int, offsets: Sequence[int], seconds: float) -> Any:
        raise LogUnavailable("Kafka does not answer.")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    db: Database[Document]
    blobs: MemoryBlobs
    downloads: MemoryDownloads
    suspects: MemorySuspects = field(default_factory=MemorySuspects)
    metrics: Metrics = field(default_factory=Metrics)
    port: int = 0
    unexpected: list[BaseException] = field(default_factory=list)

    def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """`target` goes out byte for byte; `_` in header names stands for `-`. IncompleteRead if it is cut short."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, target)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def names(self, target: str) -> list[str]:
        answer = self.get(target)
        assert answer.status == 200, answer.body
        return [one["name"] for one in answer.json["models"]]

    def model(self, name: str, **fields: Any) -> str:
        """A model with one version, v1.0, unless `versions` (numbers, oldest first) says otherwise; returns its id."""
        versions: list[str] = fields.pop("versions", ["v1.0"])
        files: dict[str, bytes] = fields.pop("files", {})
        file_names: dict[str, str] = fields.pop("file_names", {})
        version_fields: dict[str, Document] = fields.pop("version_fields", {})
        model_id = model_id_of(name)
        model = {**model_document(name), **fields}
        for index, number in enumerate(versions):
            version = version_document(model, number, versions[index - 1] if index else None)
            if number in files:
                version["file"] = self.file(files[number], file_names.get(number, "model.pkl"))
                version["scan"] = NOT_SCANNED
            version.update(version_fields.get(number, {}))
            self.db.versions.insert_one(version)
            if not version["deleted"]:
                model["file_version"] = number if version["file"] else model["file_version"]
                model |= {name: version[name] for name in OF_NEWEST}
        self.put(model)
        return model_id

    def put(self, model: Document) -> None:
        """The model's document, and what follows from it: its search document, and the counters of its facets."""
        model["facets"] = facets_of(model)
        self.db.models.insert_one(model)
        self._counted(model)
        found = search_entry(model)
        if found is not None:
            self.db.search.insert_one(found)
        for facet in model["facets"]:
            self.db.facet_counts.update_one({"_id": count_id(3, facet)}, {"$inc": {"models": 1}}, upsert=True)

    def _counted(self, model: Document) -> None:
        """What the projector counts of a model that was registered."""
        listed = {name: model[name] for name in ("created_at", "deleted", "name")}
        self.db.download_counters.insert_one({"_id": model["_id"], **listed, "downloads": 0})
        hour, live = model["created_at"] // HOUR, int(not model["deleted"])
        added = {"$inc": {"models": live}, "$setOnInsert": {"hour": hour}}
        self.db.registration_hours.update_one({"_id": f"{model['partition']}:{hour}"}, added, upsert=True)

    def file(self, content: bytes, filename: str) -> Document:
        checksum = hashlib.sha256(content).hexdigest()
        self.blobs.contents[checksum] = content
        return {"size_bytes": len(content), "checksum": checksum, "format": "pickle", "filename": filename}

    def downloaded(self, model_id: str, times: int, hours_ago: int = 0) -> None:
        hour = NOW // HOUR - hours_ago
        self.db.download_counters.update_one({"_id": model_id}, {"$inc": {"downloads": times}}, upsert=True)
        self.db.download_hours.update_one(
            {"_id": f"{model_id}:{hour}"},
            {"$inc": {"downloads": times}, "$setOnInsert": {"model_id": model_id, "hour": hour}},
            upsert=True,
        )
        known = self.db.models.find_one({"_id": model_id}) or {"name": "", "deleted": False}
        window = {
            "$inc": dict.fromkeys(WINDOW_HOURS, times),
            "$min": {"exact_until": hour + 24},
            "$setOnInsert": {"name": known["name"], "deleted": known["deleted"]},
        }
        self.db.download_windows.update_one({"_id": model_id}, window, upsert=True)
        for key, of in (("3", None), (f"3:{hour}", hour)):
            added = {"$inc": {"downloads": times}, "$setOnInsert": {"hour": of}}
            self.db.download_totals.update_one({"_id": key}, added, upsert=True)


def model_document(name: str) -> Document:
    return {
        "_id": model_id_of(name),
        "name": name,
        "algorithm": "random_forest",
        "framework": "scikit-learn",
        "description": "",
        "tags": [],
        "created_by": "ada",
        "status": "active",
        "deprecation": None,
        "deleted": False,
        "registration": 1,
        "version": "v1.0",
        "version_order": 1 << 32,
        "parent_version": None,
        "hyperparameters": {},
        "metrics": {},
        "dataset_info": {},
        "file": None,
        "scan": None,
        "corrupt": False,
        "file_version": None,
        "created_at": NOW - HOUR,
        "updated_at": NOW - HOUR,
        "sequence": 1,
        "partition": 3,
        "offset": 1024,
        "head_hash": bytes(32),
        "total_size_bytes": 0,
        "file_count": 0,
        "facets": [],
    }


def version_document(model: Document, number: str, parent: str | None) -> Document:
    copied = ("registration", "hyperparameters", "metrics", "dataset_info", "created_at", "updated_at")
    return {
        "_id": f"{model['_id']}@{number}",
        "model_id": model["_id"],
        "version": number,
        "version_order": ModelVersion.parse(number).order,
        "parent_version": parent,
        "status": "active",
        "deprecation": None,
        "file": None,
        "scan": None,
        "corrupt": False,
        "deleted": False,
        **{name: model[name] for name in copied},
        "offset": model["offset"],
    }


def event_document(model_id: str, sequence: int) -> Document:
    return {
        "_id": f"{model_id}:{sequence:012d}",
        "model_id": model_id,
        "sequence": sequence,
        "type": "ModelUpdated",
        "actor": "ada",
        "occurred_at": NOW,
        "version": None,
        "changes": [{"field": "tags", "old": [], "new": ["t"]}],
        "partition": 3,
        "offset": 1000 + sequence,
        "hash": "ab" * 32,
        "event_id": str(uuid4()),
    }


@contextmanager
def world(mongodb_url: str, *, kept_answers: int = 0, **settings: Any) -> Iterator[World]:
    """A server and an empty database of its own. `kept_answers`: only for who moves checkpoints as a projector does."""
    with MongoClient[Document](mongodb_url) as client:
        database = f"query_{uuid4().hex[:12]}"
        ensure_indexes(client[database])
        one = World(client[database], MemoryBlobs(), MemoryDownloads())
        try:
            with _serving(one, mongodb_url, database, kept_answers, settings):
                yield one
        finally:
            client.drop_database(database)


@contextmanager
def _serving(
    one: World, mongodb_url: str, database: str, kept_answers: int, settings: dict[str, Any]
) -> Iterator[None]:
    # It listens before the server runs: whoever connects early waits in the kernel's queue.
    listening = socket.create_server(("127.0.0.1", 0))
    one.port = listening.getsockname()[1]
    started = threading.Event()
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        client = connect(mongodb_url)
        live = LiveGeneration(client, database)
        watch = CheckpointWatch(live)
        following = asyncio.gather(live.run(), watch.run())
        routes = query_routes(
            **{
                "reads": ReadModels(live),
                "blobs": one.blobs,
                "downloads": one.downloads,
                "damage": DamageReports(one.blobs, one.suspects, one.metrics),
                "waiter": watch,
                "records": NoRecords(),
                "catalogue": Catalogue(),
                "topics": Topics("tensorfleet"),
                "clock": lambda: NOW,
                "cursor_key": b"key",
                "position_wait_seconds": 0.3,
                **settings,
            }
        )
        app = make_app(
            "test",
            one.metrics,
            routes.routers,
            cors_origins="",
            on_unexpected=one.unexpected.append,
            innermost=routes.keeping_answers(StandingReader(live), kept_answers) if kept_answers else None,
        )
        config = uvicorn.Config(app, log_level="error", lifespan="off")
        servers.append(uvicorn.Server(config))
        started.set()
        await servers[0].serve(sockets=[listening])
        following.cancel()
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        servers[0].should_exit = True
        thread.join(10)
    assert one.unexpected == []


def walk(one: World, target: str) -> list[str]:
    """The names on all pages, by cursor."""
    found, cursor = [], ""
    while True:
        answer = one.get(target + cursor)
        assert answer.status == 200, answer.body
        found += [model["name"] for model in answer.json["models"]]
        token = answer.json["pagination"]["next_cursor"]
        if token is None:
            return found
        cursor = f"&cursor={quote(token)}"
