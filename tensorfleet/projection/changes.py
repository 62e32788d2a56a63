"""What one event changed, for auditors: each field with its old and its new value; of maps, the keys that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Document = dict[str, Any]
_OF_MODEL: Final = {
    name: name
    for name in (
        "algorithm",
        "framework",
        "description",
        "tags",
        "created_by",
        "status",
        "deprecation",
        "deleted",
        "version",
    )
}
_OF_VERSION: Final = {
    "file": "file",
    "scan": "scan",
    "corrupt": "corrupt",
    "status": "version_status",
    "deprecation": "version_deprecation",
    "deleted": "version_deleted",
}
"""By member of a version's document: how the change is called, for models have members of these names too."""
_MAPS: Final = ("hyperparameters", "metrics", "dataset_info")
_NOTHING: Final[Document] = {"deprecation": None, "deleted": False}
_MISSING: Final = object()


def changes(
    before: Document | None, after: Document, old_version: Document | None, new_version: Document | None
) -> list[Document]:
    """`{field, old, new}` for each field that differs: of the model, and of the one version that the event touched.

    A new version is compared with the newest one before it, for that is what it inherits from; a registration with
    nothing, whatever the name held before.
    """
    fresh = before is None or before["registration"] != after["registration"]
    base = _NOTHING if before is None else {**_NOTHING, "deleted": before["deleted"]} if fresh else before
    found = _of_fields(_OF_MODEL, base, after)
    if new_version is not None:
        if old_version is not None:
            found += _of_fields(_OF_VERSION, old_version, new_version)
        found += _of_maps(old_version or base, new_version)
    return found


def _of_fields(names: Mapping[str, str], old: Document, new: Document) -> list[Document]:
    return [_change(shown, old.get(own), new[own]) for own, shown in names.items() if not _same(old.get(own), new[own])]


def _change(field: str, old: Any, new: Any) -> Document:
    return {"field": field, "old": old, "new": new}


def _of_maps(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Document]:
    for name in _MAPS:
        had, has = old.get(name, {}), new[name]
        if had is not has:
            gone, come = _apart_from(had, has), _apart_from(has, had)
            if gone or come:
                yield _change(name, gone, come)


def _apart_from(one: Mapping[str, Any], other: Mapping[str, Any]) -> Document:
    """The entries of `one` that `other` does not have just so."""
    return {key: value for key, value in one.items() if not _same(value, other.get(key, _MISSING))}


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values, while the kinds of integers that MongoDB has are one."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    kinds = (bool, float)
    return bool(one == other) and all(isinstance(one, kind) == isinstance(other, kind) for kind in kinds)
