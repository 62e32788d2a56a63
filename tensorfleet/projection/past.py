"""States that are over: what a document was from one event of its partition until another, for reads of the past.

A state that holds now stands in `models` or `versions` alone; an event that ends it moves a copy here, in the same
transaction. So a state is written once, and never changed. `offset` is that of the event that began it, `until`
that of the one that ended it: it held for every prefix of the partition that ends in [offset, until).
"""

from __future__ import annotations

from typing import Any

from bson.int64 import Int64

Document = dict[str, Any]


def past_model(state: Document, until: int) -> Document:
    return _past(state["_id"], {"model_id": state["_id"]}, state, until)


def past_version(state: Document, until: int) -> Document:
    return _past(state["_id"], {"version_id": state["_id"]}, state, until)


def past_id(key: str, offset: int) -> str:
    """15 digits sort as the numbers do."""
    return f"{key}:{offset:015d}"


def _past(key: str, members: Document, state: Document, until: int) -> Document:
    # A version's document of a registry that did not keep the past yet has no offset: it began before all that is kept.
    began = state.get("offset", 0)
    rest = {name: value for name, value in state.items() if name != "_id"}
    return {"_id": past_id(key, began), **members, "until": Int64(until), **rest}
