"""How long work tells whoever waits for it how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One piece of work at a time: `begin` ends the one before."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, number: int = 1) -> None: ...


class Unwatched:
    """Progress that nobody looks at."""

    def begin(self, what: str, total: int) -> None:
        pass

    def advance(self, number: int = 1) -> None:
        pass
