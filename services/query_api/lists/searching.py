"""Search: which documents of the search collection match the words of `q`, and how well.

Every word must be somewhere. A word of the name matches by its beginning, all others match whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson.regex import Regex

from services.query_api.lists.filters import Filters
from services.query_api.lists.ordering import Ordering
from services.query_api.lists.selection import Query, Stages
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.query_parameters import MOST_TEXT, Parameter, QueryParameters
from tensorfleet.mongo.read_models import MODELS, SEARCH
from tensorfleet.projection import search_entries as e
from tensorfleet.projection.words import joined, words_of

MOST_WORDS: Final = 20
Q: Final = Parameter(
    "q",
    "Words, all of which must be in name, tags, algorithm, data set or description; of the name, beginnings will do.",
    required=True,
)

_WEIGHTS: Final = {e.NAME: 10, e.TAG: 5, e.ALGORITHM: 4, e.DATASET: 2, e.DESCRIPTION: 1}
_BEGINNING: Final = 6
_WHOLE_NAME: Final = 20
_AFTER_LETTERS: Final = "\U0010ffff"
_OF_THE_ENTRY: Final = ("score", "created_at")
"""What can be sorted by without the models themselves."""


@dataclass(frozen=True, slots=True)
class Words:
    """`each` must match; `whole` is what was asked for as one word, to be compared with whole names."""

    each: tuple[str, ...]
    whole: str
    text: str


def words_asked(parameters: QueryParameters) -> Words:
    text = parameters.text(Q.name, MOST_TEXT)
    if text is None:
        raise InvalidCommand.of(Q.name, "is missing")
    words = words_of(text)
    if len(words) > MOST_WORDS:
        raise InvalidCommand.of(Q.name, f"has {len(words)} words; at most {MOST_WORDS} are allowed")
    return Words(tuple(words), joined(text), text)


def search_query(words: Words, filters: Filters, ordering: Ordering) -> Query:
    wanted: list[Mapping[str, Any]] = [{"words": {"$in": _forms(word)}} for word in words.each]
    if filters.by_facets:
        wanted.append(filters.by_facets)
    # Punctuation alone is found nowhere.
    match: Mapping[str, Any] = {"$match": {"$and": wanted} if words.each else {"_id": {"$in": []}}}
    chosen: list[Any] = [match]
    prepared: list[Any] = []
    finish: list[Any] = []
    first = ordering.keys[0][0]
    if filters.conditions:
        chosen += [*_MODELS, {"$match": {"$and": list(filters.conditions)}}]
    else:
        (finish if first in _OF_THE_ENTRY else prepared).extend(_MODELS)
    (prepared if first == "score" else finish).insert(0, {"$set": {"score": _score(words)}})
    return Query(
        collection=SEARCH,
        chosen=chosen,
        walked=None,
        ordering=ordering,
        counted_facet=None,
        prepared=[*prepared, *ordering.stages],
        finish=finish,
        bound=["search", words.text, filters.given, ordering.name],
    )


def _forms(word: str) -> Sequence[Any]:
    """A word of a search document is a letter for where it stands, and the word. An anchored expression is a range."""
    return [Regex(f"^{e.NAME}{re.escape(word)}"), *(place + word for place in _WEIGHTS if place != e.NAME)]


def _score(words: Words) -> Mapping[str, Any]:
    """For each word the weights of all places where it is; most for a name that is what was asked for."""
    parts = [_if({"$in": [{"$literal": e.WHOLE_NAME + words.whole}, "$words"]}, _WHOLE_NAME)]
    for word in words.each:
        for place, weight in _WEIGHTS.items():
            otherwise = _if(_begins(e.NAME + word), _BEGINNING) if place == e.NAME else 0
            parts.append(_if({"$in": [{"$literal": place + word}, "$words"]}, weight, otherwise))
    return {"$add": parts}


def _begins(word: str) -> Mapping[str, Any]:
    within = [{"$gte": ["$$this", {"$literal": word}]}, {"$lt": ["$$this", {"$literal": word + _AFTER_LETTERS}]}]
    return {"$gt": [{"$size": {"$filter": {"input": "$words", "cond": {"$and": within}}}}, 0]}


def _if(condition: Mapping[str, Any], then: Any, otherwise: Any = 0) -> Mapping[str, Any]:
    return {"$cond": [condition, then, otherwise]}


_KEPT: Final = {"score": "$score", "words": "$words"}
_MODELS: Final[Stages] = (
    {"$lookup": {"from": MODELS, "localField": "_id", "foreignField": "_id", "as": "model"}},
    {"$match": {"model": {"$ne": []}}},
    {"$replaceRoot": {"newRoot": {"$mergeObjects": [{"$first": "$model"}, _KEPT]}}},
)
"""From search documents to model documents."""
