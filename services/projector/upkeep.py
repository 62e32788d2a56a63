"""Takes out of the sums of downloads what has left their windows, beside the projection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.mongo.download_windows import this_hour
from tensorfleet.mongo.generation_stores import GenerationStores

_ASK_SECONDS: Final = 5.0


def keep_windows_exact(stores: GenerationStores, pause: Callable[[float], bool]) -> None:
    """For a thread of its own; returns once `pause` says to stop. That reads are right does not depend on it."""
    while True:
        try:
            tended = stores.upkeep().tend(this_hour())
        except ReadModelsUnavailable:
            tended = 0
        if pause(0 if tended else _ASK_SECONDS):
            return
