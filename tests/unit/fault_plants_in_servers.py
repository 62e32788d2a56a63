"""Violations that show in what the servers hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bson

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.events.envelope import Position
from tests.faults.checker import Kind
from tests.faults.checker.history import Download
from tests.faults.checker.observations import StoredObject
from tests.unit.fault_planting import WHERE, planted
from tests.unit.fault_story import Story


@planted(Kind.MISCOUNTED, "a counter of downloads that is one too high")
def _(story: Story) -> Any:
    return altered(story, "download_counters", lambda one: one | {"downloads": one["downloads"] + 1})


@planted(Kind.MISCOUNTED, "statistics that count a model twice")
def _(story: Story) -> Any:
    return altered(story, "statistics", lambda one: one | {"models": one["models"] + 1})


@planted(Kind.DOWNLOAD_LOST, "a complete download that is nowhere on record")
def _(story: Story) -> None:
    story.got = [replace(one, complete=True) for one in story.got]


@planted(Kind.DOWNLOAD_INVENTED, "a download on record that nobody began")
def _(story: Story) -> None:
    story.got = [one for one in story.got if one.complete]


@planted(Kind.DOWNLOAD_INVENTED, "a refused download that was counted")
def _(story: Story) -> None:
    model_id = story.got[0].model_id
    story.got = [Download(1, model_id, complete=True), *[Download(1, model_id, False, refused=True)] * 2]


@planted(Kind.PARKED, "a model that the projector could not project")
def _(story: Story) -> Any:
    parked = {"parked": {"a": bson.encode({"_id": "a"})}}
    documents = {**story.observations().documents, **parked}
    return {"documents": documents, "replay": lambda: documents}


@planted(Kind.NOT_REPRODUCED, "a document that a replay makes otherwise")
def _(story: Story) -> Any:
    changed = altered(story, "models", lambda one: one | {"description": "touched"})
    return {"documents": changed["documents"]}


@planted(Kind.NOT_REPRODUCED, "a document whose fields stand in another order")
def _(story: Story) -> Any:
    changed = altered(story, "versions", lambda one: dict(reversed(one.items())))
    return {"documents": changed["documents"]}


@planted(Kind.NOT_REPRODUCED, "a version's document that was never written")
def _(story: Story) -> Any:
    return {"documents": story.observations().documents | {"versions": {}}}


@planted(Kind.BLOB_MISSING, "the file of a version is gone")
def _(story: Story) -> None:
    story.contents.clear()


@planted(Kind.BLOB_DAMAGED, "a stored file has other bytes than its name says")
def _(story: Story) -> Any:
    return {"objects": tuple(replace(one, checksum="0" * 64) for one in story.observations().objects)}


@planted(Kind.BLOB_DAMAGED, "a stored file is shorter than its version says")
def _(story: Story) -> Any:
    return {"objects": tuple(replace(one, size_bytes=1) for one in story.observations().objects)}


@planted(Kind.BLOB_ORPHAN, "a file that nobody uploaded")
def _(story: Story) -> Any:
    return {"objects": (*story.observations().objects, stored("f" * 64, 9.0))}


@planted(Kind.BLOB_ORPHAN, "a file without an event, past the grace period")
def _(story: Story) -> Any:
    file = e.BlobFile(1, "f" * 64, "pickle", "m.pkl")
    story.tell(c.AttachFile(file), "a", story.attempt(503, "log-unavailable"))
    return {"objects": (*story.observations().objects, stored("f" * 64, 3601.0))}


@planted(Kind.CHANGED, "a position holds another value than it held before")
def _(story: Story) -> Any:
    return {"sightings": {Position(0, 1): bytes(32)}}


@planted(Kind.CHANGED, "a record that was seen is gone")
def _(story: Story) -> Any:
    return {"sightings": {WHERE: bytes(32)}}


@planted(Kind.UNAUDITED, "an event without an entry in the audit trail")
def _(story: Story) -> Any:
    return altered(story, "history", lambda one: None if one["sequence"] == 2 else one)


@planted(Kind.UNAUDITED, "an audit entry that names another actor")
def _(story: Story) -> Any:
    return altered(story, "history", lambda one: one | {"actor": "someone else"})


@planted(Kind.FEED_MISSING, "an event that the feed lacks")
def _(story: Story) -> Any:
    return {"feed": story.observations().feed[:-1]}


@planted(Kind.FEED_REPEATED, "an event that the feed holds twice")
def _(story: Story) -> Any:
    feed = story.observations().feed
    return {"feed": (*feed, feed[-1])}


@planted(Kind.FEED_DISORDERED, "two events that change places in the feed")
def _(story: Story) -> Any:
    first, second, *rest = story.observations().feed
    return {"feed": (second, first, *rest)}


@planted(Kind.FEED_FOREIGN, "a fenced owner's record in the feed")
def _(story: Story) -> Any:
    feed, void = story.observations().feed, story.records[-1]
    return {"feed": (*feed, replace(feed[-1], log_position=void.position, value=void.value))}


@planted(Kind.STATE_WRONG, "a deleted model without a tombstone")
def _(story: Story) -> Any:
    return {"states": {key: value or b"left behind" for key, value in story.observations().states.items()}}


def altered(story: Story, collection: str, change: Callable[[dict[str, Any]], Any]) -> Any:
    """The same change in the live documents and in the replay's."""
    documents = story.observations().documents
    changed = {key: change(bson.decode(raw)) for key, raw in documents[collection].items()}
    kept = {key: bson.encode(one) for key, one in changed.items() if one is not None}
    everything = {**documents, collection: kept}
    return {"documents": everything, "replay": lambda: everything}


def stored(checksum: str, age_seconds: float) -> StoredObject:
    return StoredObject(f"sha256/{checksum}", checksum, 1, age_seconds)
