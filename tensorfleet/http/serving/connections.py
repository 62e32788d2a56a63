"""The connections of a process: how many there may be, and how long each may keep it waiting.

uvicorn limits neither: it waits for ever for a request that drips in, and holds as many connections as come.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, Protocol

from tensorfleet.domain.errors import RegistryError, TooBusy, TooManyRequests
from tensorfleet.http.addresses import TrustedProxies, counted_as

LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5
MOST_REFUSED: Final = 256
"""Connections over the limit that are told so; what comes beyond them is cut without a word."""


class Connection(Protocol):
    def look(self, now: float) -> None:
        """End the connection if its client is too slow; `now` is the event loop's time."""


class Connections:
    """Those of a trusted proxy count in total alone: they are many clients'."""

    def __init__(self, most: int, most_of_address: int, proxies: TrustedProxies) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._proxies = proxies
        self._open: dict[Connection, str | None] = {}
        """Those that were let in, by the address that they count for."""
        self._refused: set[Connection] = set()
        self._of_address = Counter[str]()

    def opened(
        self, connection: Connection, address: str, instead_of: Connection | None = None
    ) -> RegistryError | None:
        """Why it is one too many, if it is: TooManyRequests for its address's, TooBusy for all.

        `instead_of`: the same client's, whose place this one takes; if that had none, it is looked for anew. Who is
        refused takes no place of others.
        """
        if instead_of in self._open:
            self._open[connection] = self._open.pop(instead_of)
            return None
        if instead_of is not None:
            self._refused.discard(instead_of)
        place = None if address in self._proxies else counted_as(address)
        refusal: RegistryError | None = None
        if len(self._open) >= self._most:
            refusal = TooBusy(f"This process takes {self._most} connections at most.")
        elif place is not None and self._of_address[place] >= self._most_of_address:
            detail = f"At most {self._most_of_address} connections of one address at a time."
            refusal = TooManyRequests(detail, _RETRY_SECONDS)
        if refusal is not None:
            self._refused.add(connection)
            return refusal
        self._open[connection] = place
        if place is not None:
            self._of_address[place] += 1
        return None

    @property
    def overrun(self) -> bool:
        """So many are being refused that there is no point in telling more of them."""
        return len(self._refused) > MOST_REFUSED

    def closed(self, connection: Connection) -> None:
        self._refused.discard(connection)
        place = self._open.pop(connection, None)
        if place is not None:
            self._of_address[place] -= 1
            if not self._of_address[place]:
                del self._of_address[place]

    async def run(self) -> None:
        """Look at all of them every second: that costs less than a timer for each.

        One that comes late, because the loop was busy, is left out, for what clients sent meanwhile is not read yet;
        not two in a row, for then clients may be what keeps it busy.
        """
        now = asyncio.get_running_loop().time
        late = False
        while True:
            before = now()
            await asyncio.sleep(LOOK_SECONDS)
            late = not late and now() - before >= 2 * LOOK_SECONDS
            if not late:
                for one in [*self._open, *self._refused]:
                    one.look(now())
