"""The read models as they were at a cut of the log: the same questions, the same documents, of another time.

A state of a model is in `models` while it holds, and in `past_models` when it is over (tensorfleet/projection/past.py);
so each question about models becomes one to both, for the states that held at the cut. Both are read at one moment, for
a state may go from one to the other in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from tensorfleet.mongo.cut import NOTHING, Cut
from tensorfleet.mongo.past_downloads import PastDownloads
from tensorfleet.mongo.read_models import (
    DOWNLOAD_COUNTERS,
    DOWNLOAD_HOURS,
    HISTORY,
    MODELS,
    PAST_MODELS,
    PAST_STATISTICS,
    PAST_VERSIONS,
    STATISTICS,
    VERSIONS,
    Document,
    ReadModels,
    Stage,
)
from tensorfleet.projection.facets import ALL
from tensorfleet.projection.past import past_id
from tensorfleet.projection.statistics import BLOCK, PartitionStatistics, block_id

_OF_ONE_DOCUMENT: Final = {"$match", "$set", "$unset", "$project", "$lookup"}
"""What may be done to each state before those of both collections come together."""


class PastReadModels(ReadModels):
    """Reads as ReadModels does, of the collections named here. ReadModelsUnavailable.

    Orders of models other than newest first, totals and filters are found by looking at every state that held.
    """

    def __init__(self, reads: ReadModels, cut: Cut) -> None:
        super().__init__(reads._live)
        self._reads = reads
        self._cut = cut
        self._downloads = PastDownloads(reads, cut.time)

    async def one(self, collection: str, key: str | int) -> Document | None:
        past, model_id = {MODELS: PAST_MODELS, VERSIONS: PAST_VERSIONS}[collection], str(key).partition("@")[0]
        cut = self._cut.offset_for(model_id)
        state = await self._reads.one(collection, key)
        if state is None or state["offset"] <= cut:
            return state
        if cut == NOTHING:
            return None
        began = {"_id": {"$gte": past_id(str(key), 0), "$lte": past_id(str(key), cut)}}
        found = await self._reads.find(past, began, sort=[("_id", -1)], limit=1)
        return {**found[0], "_id": key} if found else None

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """Of download counters, only those that `where` names by `_id`; of statistics, all."""
        if collection == STATISTICS:
            return list(await asyncio.gather(*(self._statistics(number) for number in self._cut.offsets)))
        if collection == DOWNLOAD_COUNTERS:
            return await self._downloads.counters(where["_id"]["$in"])
        stages: list[Stage] = [{"$match": where}]
        stages += [{"$sort": dict(sort)}] if sort else []
        stages += [{"$limit": limit}] if limit else []
        stages += [{"$project": fields}] if fields else []
        return await self.aggregate(collection, stages)

    async def aggregate(
        self, collection: str, stages: Sequence[Stage], *, at_one_moment: bool = True
    ) -> list[Document]:
        return await self._reads.aggregate(collection, await self._of_both(collection, stages), at_one_moment=True)

    async def scan(self, collection: str, stages: Sequence[Stage], *, at_one_moment: bool = True) -> list[Document]:
        if collection in (DOWNLOAD_COUNTERS, DOWNLOAD_HOURS):
            return await self._downloads.scan(collection, stages)
        return await self._reads.scan(collection, await self._of_both(collection, stages), at_one_moment=True)

    async def _of_both(self, collection: str, stages: Sequence[Stage]) -> Sequence[Stage]:
        """The stages, asked of the states that hold and of those that are over."""
        past, name = {MODELS: (PAST_MODELS, "model_id"), VERSIONS: (PAST_VERSIONS, "version_id")}[collection]
        head = list(takewhile(lambda stage: next(iter(stage)) in _OF_ONE_DOCUMENT, stages))
        tail = stages[len(head) :]
        head = [part for stage in head for part in await self._downloads.joined(stage)]
        branch = [*head, *_first_of(tail)]
        now, then = (self._held_by_model if collection == MODELS else self._held_by_version)(stages)
        # The name of the id comes last, so that the order is that of an index until then.
        renamed = [_renamed(stage, name) for stage in branch]
        return [
            {"$match": now},
            *branch,
            {"$unionWith": {"coll": past, "pipeline": [{"$match": then}, *renamed, {"$set": {"_id": f"${name}"}}]}},
            *tail,
        ]

    def _held_by_model(self, stages: Sequence[Stage]) -> tuple[Document, Document]:
        """Which states hold at the cut: of those that still do, and of those that are over."""
        cuts = [(number, offset) for number, offset in self._cut.offsets.items() if offset != NOTHING]
        if not cuts:
            return {"_id": {"$in": []}}, {"_id": {"$in": []}}
        now = [{"partition": number, "offset": {"$lte": offset}} for number, offset in cuts]
        then = [{**one, "until": {"$gt": offset}} for one, (_, offset) in zip(now, cuts, strict=True)]
        # What was registered later did not hold: so an index in the order of registration is entered behind all that.
        before = {"created_at": {"$lte": self._cut.time}}
        facet = {"facets": ALL} if stages and _is_of_all(stages[0]) else {}
        return {**facet, **before, "$or": now}, {**before, "$or": then}

    def _held_by_version(self, stages: Sequence[Stage]) -> tuple[Document, Document]:
        """Only for stages that begin with a match of one `model_id`."""
        cut = self._cut.offset_for(stages[0]["$match"]["model_id"])
        return {"offset": {"$lte": cut}}, {"offset": {"$lte": cut}, "until": {"$gt": cut}}

    async def _statistics(self, partition: int) -> Document:
        """From the copy at the beginning of the last block that changed them, and what the events since changed."""
        cut = self._cut.offsets[partition]
        if cut == NOTHING:
            return PartitionStatistics().document(partition)
        of_partition = {"_id": {"$gte": block_id(partition, 0), "$lte": block_id(partition, cut)}}
        copies = await self._reads.find(PAST_STATISTICS, of_partition, sort=[("_id", -1)], limit=1)
        if not copies:
            return PartitionStatistics().document(partition)
        found = PartitionStatistics.of(copies[0])
        first = int(copies[0]["_id"].partition(":")[2]) * BLOCK
        offsets = {"$gte": first, "$lte": min(cut, first + BLOCK - 1)}
        where = {"partition": partition, "offset": offsets, "counted": {"$type": "array"}}
        for event in await self._reads.find(HISTORY, where, fields={"_id": 0, "counted": 1}):
            before, after = event["counted"]
            found.add(before, -1)
            found.add(after, 1)
        return found.document(partition)


def _is_of_all(stage: Stage) -> bool:
    """Whether it leaves out deleted models and names no facet. Indexes of models begin with one: ALL is one."""
    asked = stage.get("$match", {})
    parts = (asked, *asked.get("$and", ()))
    return any(one.get("deleted") is False for one in parts) and not any("facets" in one for one in parts)


def _first_of(tail: Sequence[Stage]) -> list[Stage]:
    """If only the first of an order are asked for, only so many of each collection can be among them."""
    kept, skipped = [stage for stage in tail if "$limit" in stage], [stage for stage in tail if "$skip" in stage]
    if not tail or "$sort" not in tail[0] or not kept:
        return []
    return [tail[0], {"$limit": kept[0]["$limit"] + (skipped[0]["$skip"] if skipped else 0)}]


def _renamed(stage: Stage, name: str) -> Stage:
    """What a match or an order says of `_id`, said of the member that holds it in past states."""
    return _with_name(stage, name) if {"$match", "$sort"} & stage.keys() else stage


def _with_name(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {name if key == "_id" else key: _with_name(one, name) for key, one in value.items()}
    return [_with_name(one, name) for one in value] if isinstance(value, list) else value
