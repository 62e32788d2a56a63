"""Model names: their canonical form, the id computed from it, and names made for the nameless."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.texts import composed

MODEL_ID = re.compile(r"[0-9a-f]{24}")
_ACCURACY_METRICS: Final = ("test_accuracy", "accuracy", "val_accuracy")


def canonical_name(raw: str) -> str:
    """NFC-normalised and trimmed. InvalidCommand if empty, over 200 characters, or with control characters."""
    problem = limits.text_problem(raw, limits.COMMAND_BODY_BYTES)
    if problem is None:
        name = composed(raw.strip(), limits.NAME_CHARACTERS).strip()
        problem = limits.text_problem(name, limits.NAME_CHARACTERS) or (None if name else "is empty")
    if problem:
        raise InvalidCommand.of("name", problem)
    return name


def model_id_of(name: str) -> str:
    """The first 12 bytes of the SHA-256 of the canonical name, as 24 hex digits."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def partition_of(model_id: str, partitions: int) -> int:
    """The registry's own partitioner: the id's first 8 hex digits as a number, modulo the partitions.

    It is ours, and not a client's default, because every client and language must agree on it for ever.
    """
    return int(model_id[:8], 16) % partitions


def semantic_name(algorithm: str, metrics: Mapping[str, int | float], day: datetime) -> str:
    """A name like `RandomForest_95.2%_Dec16`: algorithm, accuracy if there is one, and the UTC day."""
    words = [word for word in re.split(r"[^\w]+|_", algorithm) if word]
    stem = "".join(word[:1].upper() + word[1:] for word in words) or "Model"
    accuracy = next((metrics[name] for name in _ACCURACY_METRICS if name in metrics), None)
    share = [f"{100 * accuracy:.1f}%"] if accuracy is not None and 0 <= accuracy <= 1 else []
    return "_".join([stem[:150], *share, f"{day:%b%d}"])


def numbered(name: str, attempt: int) -> str:
    """The name to try on the `attempt`-th time: itself, then `-2`, `-3`, ..."""
    return name if attempt == 1 else f"{name}-{attempt}"
