"""The bounds on every field of a command, and the checks that enforce them.

The table in docs/contract.md lists the same numbers; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tensorfleet.domain.errors import FieldError

NAME_CHARACTERS: Final = 200
ALGORITHM_CHARACTERS: Final = 200
FRAMEWORK_CHARACTERS: Final = 200
CREATED_BY_CHARACTERS: Final = 200
REASON_CHARACTERS: Final = 2_000
SOURCE_CHARACTERS: Final = 200
SCAN_FINDINGS: Final = 100
SCAN_NAME_CHARACTERS: Final = 200
SCAN_TEXT_CHARACTERS: Final = 1_000
RECORDED_AHEAD_SECONDS: Final = 24 * 3600
FILENAME_BYTES: Final = 255
TAGS: Final = 100
TAG_CHARACTERS: Final = 200
MAP_KEYS: Final = 500
MAP_KEY_CHARACTERS: Final = 200
MAP_DEPTH: Final = 32
MAP_BYTES: Final = 1024 * 1024
VERSIONS: Final = 10_000
RESERVED_KEY: Final = "$ref"
"""MongoDB's drivers read a map with this key as a reference to another document."""
DESCRIPTION_BYTES: Final = 64 * 1024
COMMAND_BODY_BYTES: Final = 1024 * 1024
BATCH_OPERATIONS: Final = 1_000
VERSION_NUMBER: Final = 2**31 - 1
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1


def text_problem(value: str, most_characters: int, *, lines: bool = False) -> str | None:
    """Say what is wrong with `value`, or None. `lines` allows tab, newline and carriage return."""
    if len(value) > most_characters:
        return f"has {len(value)} characters; at most {most_characters} are allowed"
    for character in value:
        code = ord(character)
        if 0xD800 <= code <= 0xDFFF:
            return "holds a lone surrogate, which is not a character"
        if (code < 0x20 or 0x7F <= code < 0xA0) and not (lines and character in "\t\n\r"):
            return f"holds the control character U+{code:04X}"
    return None


def tag_problems(tags: Sequence[str]) -> Iterator[FieldError]:
    if len(tags) > TAGS:
        yield FieldError("tags", f"has {len(tags)} entries; at most {TAGS} are allowed")
        return
    for index, tag in enumerate(tags):
        problem = text_problem(tag, TAG_CHARACTERS) or ("is empty" if not tag.strip() else None)
        if problem:
            yield FieldError(f"tags.{index}", problem)


def description_problems(description: str) -> Iterator[FieldError]:
    problem = text_problem(description, DESCRIPTION_BYTES, lines=True)
    if problem is None and len(description.encode()) > DESCRIPTION_BYTES:
        problem = f"is longer than {DESCRIPTION_BYTES} bytes"
    if problem:
        yield FieldError("description", problem)


def number_problem(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        return "is an integer beyond 64 bits"
    return None


def map_problems(field: str, value: Mapping[str, object]) -> Iterator[FieldError]:
    """Check a free-form JSON object: count and form of its keys, depth, and each value in it."""
    if len(value) > MAP_KEYS:
        yield FieldError(field, f"has {len(value)} keys; at most {MAP_KEYS} are allowed")
        return
    for key, member in value.items():
        problem = key_problem(key)
        if problem:
            yield FieldError(field, problem)
        else:
            yield from _value_problems(f"{field}.{key}", member, depth=1)


def metric_problems(metrics: Mapping[str, object], *, removals: bool = False) -> Iterator[FieldError]:
    """Check metrics: names to finite numbers; `removals` also allows null (it removes the name)."""
    if len(metrics) > MAP_KEYS:
        yield FieldError("metrics", f"has {len(metrics)} keys; at most {MAP_KEYS} are allowed")
        return
    for name, value in metrics.items():
        problem = key_problem(name)
        if problem is None and not (removals and value is None):
            problem = number_problem(value)
        if problem:
            yield FieldError(f"metrics.{name}" if problem.startswith("is ") else "metrics", problem)


def key_problem(key: str) -> str | None:
    if not key:
        return "has an empty key"
    if key == RESERVED_KEY:
        return f"has the key {RESERVED_KEY}, which is reserved"
    problem = text_problem(key, MAP_KEY_CHARACTERS)
    return f"has a key that {problem}" if problem else None


def _value_problems(path: str, value: object, depth: int) -> Iterator[FieldError]:
    problem: str | None = None
    if depth > MAP_DEPTH:
        problem = f"is nested more than {MAP_DEPTH} deep"
    elif isinstance(value, str):
        problem = text_problem(value, COMMAND_BODY_BYTES, lines=True)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        problem = number_problem(value)
    if problem:
        yield FieldError(path, problem)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            key_wrong = key_problem(key)
            if key_wrong:
                yield FieldError(path, key_wrong)
            else:
                yield from _value_problems(f"{path}.{key}", member, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, member in enumerate(value):
            yield from _value_problems(f"{path}.{index}", member, depth + 1)
