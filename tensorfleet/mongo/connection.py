"""Opens a synchronous connection to MongoDB, as projections use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import MongoClient

from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Document


@contextmanager
def connected(url: str) -> Iterator[MongoClient[Document]]:
    client: MongoClient[Document] = MongoClient(
        url, maxPoolSize=4, serverSelectionTimeoutMS=3000, connectTimeoutMS=2000, socketTimeoutMS=30_000
    )
    with client:
        yield client


@contextmanager
def open_store(url: str, database: str) -> Iterator[ProjectionStore]:
    with connected(url) as client:
        yield ProjectionStore(client, database)
