"""Compares two generations of the read models, document by document and byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from tensorfleet.mongo.projection_store import COLLECTIONS
from tensorfleet.mongo.writes import Document

_AT_ONCE: Final = 1000
_LEFT_OUT: Final = {"checkpoints": {"replays": 0}}
"""How read models came to be what they are does not matter."""
_RAW: Final[CodecOptions[Any]] = CodecOptions(document_class=RawBSONDocument)


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind`: `differs` (in `fields`), `missing` (from the live read models) or `unknown` (only there)."""

    collection: str
    id: str
    kind: str
    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class ComparedCollection:
    """`live` and `replayed` are numbers of documents, the digests SHA-256 over their BSON in the order of `_id`."""

    name: str
    live: int = 0
    replayed: int = 0
    differing: int = 0
    live_digest: str = ""
    replayed_digest: str = ""


@dataclass(slots=True)
class Comparison:
    """`differences` are the first ones of each collection."""

    collections: list[ComparedCollection] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not any(one.differing for one in self.collections)


@dataclass(frozen=True, slots=True)
class Side:
    """A generation's database, and the session to read it in."""

    database: Database[Document]
    session: ClientSession | None = None

    def raw(self, name: str) -> Iterator[bytes]:
        """Every document's BSON, by `_id`."""
        collection: Collection[Any] = self.database.get_collection(name, codec_options=_RAW)
        with collection.find({}, _LEFT_OUT.get(name), session=self.session, batch_size=_AT_ONCE).sort(
            "_id", 1
        ) as found:
            yield from (bytes(one.raw) for one in found)

    def one(self, name: str, key: Any) -> Document:
        return self.database[name].find_one({"_id": key}, session=self.session) or {}


def compare(live: Side, replayed: Side, show: int, advance: Callable[[int], None]) -> Comparison:
    """`show`: how many differences to name of each collection. `advance` is told of documents compared."""
    result = Comparison()
    for name in sorted(COLLECTIONS):
        compared, keys = _compare_collection(name, live, replayed, show, advance)
        result.collections.append(compared)
        result.differences += [_difference(name, key, kind, live, replayed) for key, kind in keys]
    return result


def _compare_collection(
    name: str, live: Side, replayed: Side, show: int, advance: Callable[[int], None]
) -> tuple[ComparedCollection, list[tuple[Any, str]]]:
    """Both sides come in one order, so that what waits for its counterpart is little, unless much differs."""
    result, digests = ComparedCollection(name), (hashlib.sha256(), hashlib.sha256())
    waiting: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    different: list[tuple[Any, str]] = []
    for number, pair in enumerate(zip_longest(live.raw(name), replayed.raw(name)), 1):
        for side, raw in enumerate(pair):
            if raw is None:
                continue
            digests[side].update(raw)
            result.live += 1 - side
            result.replayed += side
            if pair[0] == pair[1]:
                continue
            key, digest = _key_of(raw), hashlib.sha256(raw).digest()
            counterpart = waiting[1 - side].pop(key, None)
            if counterpart is None:
                waiting[side][key] = digest
            elif counterpart != digest:
                different.append((_id_of(key), "differs"))
        if number % _AT_ONCE == 0:
            advance(_AT_ONCE)
    advance(max(result.live, result.replayed) % _AT_ONCE)
    result.differing = len(different) + len(waiting[0]) + len(waiting[1])
    result.live_digest, result.replayed_digest = (one.hexdigest() for one in digests)
    alone = [(_id_of(key), kind) for kind, keys in zip(("unknown", "missing"), waiting, strict=True) for key in keys]
    return result, [*different, *alone][:show]


def _key_of(raw: bytes) -> bytes:
    """The `_id` as BSON: of any type, and usable as a key."""
    return bson.encode({"_id": RawBSONDocument(raw)["_id"]})


def _id_of(key: bytes) -> Any:
    return bson.decode(key)["_id"]


def _difference(name: str, key: Any, kind: str, live: Side, replayed: Side) -> Difference:
    if kind != "differs":
        return Difference(name, str(key), kind)
    ours, theirs = live.one(name, key), replayed.one(name, key)
    fields = [one for one in {**ours, **theirs} if _member(ours, one) != _member(theirs, one)]
    return Difference(name, str(key), kind, tuple(fields or ["the order of the fields"]))


def _member(document: Document, field: str) -> bytes | None:
    return bson.encode({field: document[field]}) if field in document else None
