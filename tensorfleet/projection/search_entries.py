"""The documents of the search collection: the words of a model, each with a letter for where it stands.

A letter before each word lets one index tell a word of the name from one of the description, and ranges of it find what
begins with something: names are found by the beginnings of their words, everything else by whole words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tensorfleet.projection.documents import Document
from tensorfleet.projection.words import joined, unspaced, words_and_parts, words_of

WHOLE_NAME: Final = "w"
NAME: Final = "n"
TAG: Final = "t"
ALGORITHM: Final = "a"
DATASET: Final = "d"
DESCRIPTION: Final = "x"

MOST_DESCRIPTION_WORDS: Final = 1_000
"""Different ones; those after them are not found."""
_DATASET_CHARACTERS: Final = 1_000


def searchable(model: Document | None) -> tuple[Any, ...] | None:
    """What the search knows of a model; None if it should not be found."""
    if model is None or model["deleted"]:
        return None
    dataset = model["dataset_info"].get("name")
    return model["name"], model["facets"], model["description"], dataset, model["created_at"]


def search_entry(model: Document) -> Document | None:
    """The model's document in the search collection; None if it should not be found."""
    if searchable(model) is None:
        return None
    return {
        "_id": model["_id"],
        "words": sorted(set(_words(model))),
        "facets": model["facets"],
        "created_at": model["created_at"],
    }


def name_words(name: str) -> set[str]:
    """Those of scripts without spaces end with their last character alone, so that it is a beginning too."""
    found = set(words_and_parts(name))
    return found | {word[1] for word in found if len(word) == 2 and unspaced(word)}


def _words(model: Document) -> Iterator[str]:
    yield WHOLE_NAME + joined(model["name"])
    yield from (NAME + word for word in name_words(model["name"]))
    yield from (TAG + word for tag in model["tags"] for word in words_and_parts(tag))
    yield from (ALGORITHM + word for word in words_and_parts(model["algorithm"]))
    dataset = model["dataset_info"].get("name")
    if isinstance(dataset, str):
        yield from (DATASET + word for word in words_and_parts(dataset[:_DATASET_CHARACTERS]))
    yield from (DESCRIPTION + word for word in words_of(model["description"])[:MOST_DESCRIPTION_WORDS])
