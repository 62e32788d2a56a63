"""What the owner remembers of commands that carried an idempotency key.

A key is remembered for 24 hours of event time, and within that the newest 1,000,000 of the registry. All of it is
refilled from the log at start, so a retry is recognised across restarts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from services.command_api.submission import CommandKey, Receipt
from tensorfleet.domain.errors import KeyReused

MOST_KEYS: Final = 1_000_000
KEEP_MICROSECONDS: Final = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Remembered:
    hash: bytes
    receipt: Receipt
    occurred_at: int


class CommandMemory:
    def __init__(self) -> None:
        self._known: OrderedDict[str, Remembered] = OrderedDict()
        self._newest = 0

    def remember(self, key: CommandKey, receipt: Receipt, occurred_at: int) -> None:
        self._known.setdefault(key.command_id, Remembered(key.hash, receipt, occurred_at))
        self._newest = max(self._newest, occurred_at)
        while len(self._known) > MOST_KEYS or self._oldest_is_stale():
            self._known.popitem(last=False)

    def recall(self, key: CommandKey) -> Receipt | None:
        """The first answer to this very request, or None if the key is new. KeyReused for another request."""
        known = self._known.get(key.command_id)
        if known is None:
            return None
        if known.hash != key.hash:
            raise KeyReused("This Idempotency-Key came before, with another request.")
        return replace(known.receipt, replayed=True)

    def _oldest_is_stale(self) -> bool:
        oldest = next(iter(self._known.values()), None)
        return oldest is not None and oldest.occurred_at < self._newest - KEEP_MICROSECONDS
