"""What the owner remembers of commands that carried an idempotency key.

A key is remembered for 24 hours, and the last 1,000 of each model for longer; beyond the newest 2,000,000 of the
registry the oldest go first. What the log holds of it is refilled from there at start, so a retry is recognised across
restarts and hand-overs. Commands that changed nothing are remembered only while the process lives, and rejected ones
not at all: nothing was carried out, and a retry is decided anew.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from services.command_api.submission import CommandKey, Receipt
from tensorfleet.domain.errors import KeyReused

MOST_KEYS: Final = 2_000_000
KEPT_PER_MODEL: Final = 1_000
KEPT_MICROSECONDS: Final = 24 * 3600 * 1_000_000


@dataclass(slots=True)
class Remembered:
    """`recent`: among the last of its model."""

    hash: bytes
    receipt: Receipt
    occurred_at: int
    recent: bool = True


class CommandMemory:
    """`now` gives microseconds since 1970."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._known: dict[str, Remembered] = {}
        self._by_time: list[tuple[int, str]] = []
        self._of_model: dict[str, deque[str]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def remember(self, key: CommandKey, receipt: Receipt, occurred_at: int) -> None:
        """The first receipt of a key stays. A time from the future counts as now."""
        if key.command_id in self._known:
            return
        at = min(occurred_at, self._now())
        self._known[key.command_id] = Remembered(key.hash, receipt, at)
        heapq.heappush(self._by_time, (at, key.command_id))
        self._age_model(receipt.model_id, key.command_id)
        self._forget()

    def recall(self, key: CommandKey) -> Receipt | None:
        """The first answer to this very request, or None if the key is new. KeyReused for another request."""
        known = self._known.get(key.command_id)
        if known is None:
            return None
        if known.hash != key.hash:
            raise KeyReused("This Idempotency-Key came before, with another request.")
        return replace(known.receipt, replayed=True)

    def of_partition(self, partition: int) -> list[tuple[str, bytes, Receipt, int]]:
        """Id, hash, receipt and time of all commands of one partition that are remembered."""
        return [
            (command_id, one.hash, one.receipt, one.occurred_at)
            for command_id, one in self._known.items()
            if one.receipt.position.partition == partition
        ]

    def _age_model(self, model_id: str, command_id: str) -> None:
        recent = self._of_model.setdefault(model_id, deque())
        recent.append(command_id)
        if len(recent) > KEPT_PER_MODEL:
            self._known[recent.popleft()].recent = False

    def _forget(self) -> None:
        """Look at the oldest keys; those of their model's last are looked at again a day later."""
        horizon = self._now() - KEPT_MICROSECONDS
        while len(self._known) > MOST_KEYS or self._by_time[0][0] < horizon:
            _, command_id = heapq.heappop(self._by_time)
            known = self._known[command_id]
            if known.recent and len(self._known) <= MOST_KEYS:
                heapq.heappush(self._by_time, (self._now(), command_id))
            else:
                self._drop(command_id, known)

    def _drop(self, command_id: str, known: Remembered) -> None:
        del self._known[command_id]
        if known.recent:
            recent = self._of_model[known.receipt.model_id]
            recent.remove(command_id)
            if not recent:
                del self._of_model[known.receipt.model_id]
