"""Who was refused what, and who changed what: counted up for a few seconds, so that a flood is a few records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

MOST_AT_ONCE: Final = 200
"""Records of one interval for each actor; what does not fit is counted together, by actor, kind, reason and status.

All who show nothing that counts are one actor. So nobody who has shown a valid key or token can hide behind the
requests of others, with one or without.
"""
OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class Access:
    """One kind of access. `kind` is `denied` or `used`; `reason` is empty for a use; `status` is the answer's.

    `route` is the template of the path, `address` that of the connection. Never a key: `actor` and `key_id` name it.
    """

    kind: str
    actor: str
    key_id: str | None
    method: str
    route: str
    address: str
    reason: str
    status: int


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """`count` times `access`, first and last at these times, in microseconds since 1970."""

    access: Access
    first_at: int
    last_at: int
    count: int


class Tally:
    """`now` gives microseconds since 1970."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._counted: dict[Access, tuple[int, int, int]] = {}
        self._different = Counter[str]()

    def add(self, access: Access) -> None:
        if access not in self._counted:
            if self._different[access.actor] < MOST_AT_ONCE:
                self._different[access.actor] += 1
            else:
                access = replace(access, method=OTHERS, route=OTHERS, address=OTHERS)
        now = self._now()
        first, _, count = self._counted.get(access, (now, now, 0))
        self._counted[access] = (first, now, count + 1)

    def drain(self) -> list[AccessRecord]:
        """What was counted since the last time."""
        counted, self._counted = self._counted, {}
        self._different.clear()
        return [AccessRecord(access, *times) for access, times in counted.items()]
