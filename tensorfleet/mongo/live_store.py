"""For a projector: the store of the live generation, and after a switch the one to move to."""

from __future__ import annotations

import time
from typing import Final

from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.mongo.generation_stores import GenerationStores
from tensorfleet.mongo.generations import WRITERS_STAY_SECONDS
from tensorfleet.mongo.projection_store import ProjectionStore

_ASK_SECONDS: Final = 0.5


class LiveStore:
    """ReadModelsUnavailable if MongoDB does not say at the beginning which generation is live."""

    def __init__(self, stores: GenerationStores) -> None:
        self._stores = stores
        self._known = stores.read()
        self._ask_at = 0.0
        self._move_at: float | None = None

    def current(self) -> ProjectionStore:
        return self._stores.store(self._known.live)

    def next(self) -> ProjectionStore | None:
        """The store to move to now, once after each switch; cheap enough to be asked before every batch.

        Not at once: until those who read have moved, the generation before is kept up to date.
        """
        now = time.monotonic()
        if now >= self._ask_at:
            self._ask_at = now + _ASK_SECONDS
            self._notice(now)
        if self._move_at is None or now < self._move_at:
            return None
        self._move_at = None
        return self.current()

    def _notice(self, now: float) -> None:
        try:
            found = self._stores.read()
        except ReadModelsUnavailable:
            return
        if found.number != self._known.number:
            self._known, self._move_at = found, now + WRITERS_STAY_SECONDS
