"""Places in the feed as clients hold them: opaque, signed, and bound to this registry's feed."""

from __future__ import annotations

from typing import Final

from services.query_api.cursors import CURSOR, Cursors
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.events.feed import Place
from tensorfleet.http.query_parameters import QueryParameters

BEGINNING: Final = "0"


class Places:
    """A place says, of every partition, what comes next: so it fits any filter, and every instance of the registry."""

    def __init__(self, cursors: Cursors, feed: str, partitions: int) -> None:
        self._cursors = cursors
        self._bound = ["feed", feed, partitions]
        self.beginning: Place = (0,) * partitions

    def token(self, place: Place) -> str:
        return self._cursors.issue(self._bound, list(place))

    def place(self, text: str, field: str) -> Place:
        """InvalidCommand, naming `field`, for whatever `token` did not make."""
        if text == BEGINNING:
            return self.beginning
        try:
            found = self._cursors.place(QueryParameters({CURSOR.name: text}), self._bound)
        except InvalidCommand:
            raise no_such_place(field) from None
        return tuple(found or ())


def no_such_place(field: str) -> InvalidCommand:
    return InvalidCommand.of(field, "is not a place in this feed; 0 is its beginning")
