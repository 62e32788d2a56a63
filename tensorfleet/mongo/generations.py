"""Generations of the read models: each is a database, and one document says which of them is live.

The first generation is MONGODB_DB itself, the *home*; those made later are named <home>__<number>. The document is in
the home's collection `generations`. Without it, the home is live.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

POINTER: Final = "generations"
"""The collection with the one document."""
LIVE: Final = "live"
"""The document's `_id`."""

EVERYONE_KNOWS_SECONDS: Final = 1.0
"""From when one process notices a switch, until all have: before that, no reader moves to the new generation."""
READERS_MOVED_SECONDS: Final = 2.5
"""Until all readers have moved. Up to then a position counts as reached only when both generations contain it."""
WRITERS_STAY_SECONDS: Final = 3.0
"""So long a projector keeps the generation before up to date, for those who still read it."""


@dataclass(frozen=True, slots=True)
class Generations:
    """Databases: `live`, the one `previous` to it, and the `older` ones that were live before, newest first.

    `number` counts the switches; each switch can be told from the one before even if it leads to the same database.
    """

    live: str
    previous: str | None = None
    older: tuple[str, ...] = ()
    number: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any] | None, home: str) -> Generations:
        if document is None:
            return cls(home)
        return cls(document["live"], document["previous"], tuple(document["older"]), document["number"])

    @property
    def kept(self) -> tuple[str, ...]:
        """Every generation that is live or was."""
        previous = () if self.previous is None else (self.previous,)
        return (self.live, *previous, *self.older)

    def switched(self, to: str) -> Generations:
        older = (one for one in self.kept[1:] if one != to)
        return Generations(to, self.live, tuple(older), self.number + 1)

    def without_older(self) -> Generations:
        return Generations(self.live, self.previous, (), self.number)

    @property
    def members(self) -> dict[str, Any]:
        """Those of the document."""
        return {"live": self.live, "previous": self.previous, "older": list(self.older), "number": self.number}


def database_name(home: str, number: int) -> str:
    return f"{home}__{number}"


def is_made_from(home: str, database: str) -> bool:
    return re.fullmatch(re.escape(home) + r"__[0-9]+", database) is not None
