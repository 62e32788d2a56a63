"""Who was refused what, and who changed what: counted up for a few seconds, so that a flood is a few records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_AT_ONCE: Final = 200
"""Records of one interval with keys that are known, and as many without; what does not fit is counted together, by
kind and reason alone. So whoever has a key can't hide behind a flood of requests without one."""
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
        self._different = Counter[bool]()

    def add(self, access: Access) -> None:
        known = access.key_id is not None
        if access not in self._counted:
            if self._different[known] < MOST_AT_ONCE:
                self._different[known] += 1
            else:
                access = Access(access.kind, OTHERS, None, OTHERS, OTHERS, OTHERS, access.reason, access.status)
        now = self._now()
        first, _, count = self._counted.get(access, (now, now, 0))
        self._counted[access] = (first, now, count + 1)

    def drain(self) -> list[AccessRecord]:
        """What was counted since the last time."""
        counted, self._counted = self._counted, {}
        self._different.clear()
        return [AccessRecord(access, *times) for access, times in counted.items()]
