"""Files that someone found damaged, until the command side has looked for itself.

Whoever reads files has no way to append events, and need not be believed: the bytes may have been changed between the
store and him. So a suspicion is kept, and the owner of the model reads the file again before it becomes an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Suspect:
    """`version` is as v1.0, `checksum` what the file should have, as 64 hex digits."""

    checksum: str
    model_id: str
    version: str


class Suspects(Protocol):
    """BlobsUnavailable from every method, if the store does not answer."""

    async def report(self, suspect: Suspect) -> None:
        """Idempotent."""

    async def all(self) -> list[Suspect]:
        """In no order."""
        raise NotImplementedError

    async def clear(self, suspect: Suspect) -> None:
        """It was looked into. Nothing happens if it is not there."""
