"""The facets of a model: what lists filter by exactly, each as one string that one index and one counter can hold.

A model that is not deleted has the facet ALL, one for its algorithm, its status, both of them together, its author, the
verdict on the file of its newest version if that has one, and one for each of its tags. A deleted model has none, so
that no list by a facet meets it.
"""

from __future__ import annotations

from typing import Any, Final

ALL: Final = ""


def by_algorithm(algorithm: str) -> str:
    return f"a:{algorithm}"


def by_status(status: str) -> str:
    return f"s:{status}"


def by_algorithm_and_status(algorithm: str, status: str) -> str:
    return f"p:{status}:{algorithm}"


def by_author(created_by: str) -> str:
    return f"c:{created_by}"


def by_verdict(verdict: str) -> str:
    return f"v:{verdict}"


def by_tag(tag: str) -> str:
    return f"t:{tag}"


def facets_of(model: dict[str, Any]) -> list[str]:
    """Without repeats, in an order that depends on the model alone."""
    if model["deleted"]:
        return []
    algorithm, status = model["algorithm"], model["status"]
    found = [ALL, by_algorithm(algorithm), by_status(status), by_algorithm_and_status(algorithm, status)]
    if model["created_by"] is not None:
        found.append(by_author(model["created_by"]))
    if model["scan"] is not None:
        found.append(by_verdict(model["scan"]["verdict"]))
    return list(dict.fromkeys([*found, *map(by_tag, model["tags"])]))


def count_id(partition: int, facet: str) -> str:
    """The `_id` of the counter of one facet's models in one partition of the log."""
    return f"{partition}:{facet}"
