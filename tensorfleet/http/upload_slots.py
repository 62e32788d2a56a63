"""How many uploads may be under way in this process, and how many of them one client's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tensorfleet.domain.errors import TooBusy


class UploadSlots:
    """One client may have a quarter of them: it can't keep the others out by sending slowly."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_client = max(1, most // 4)
        self._taken = Counter[str]()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """TooBusy if there is none left."""
        if self._taken.total() >= self._most:
            raise TooBusy(f"{self._most} uploads are under way. Try again later.")
        if self._taken[client] >= self._most_of_client:
            raise TooBusy(f"{self._most_of_client} uploads of yours are under way. Try again later.")
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
