"""Reading no faster than so many bytes a second."""

from __future__ import annotations

import asyncio


class Pace:
    """None: as fast as it goes."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def took(self, size_bytes: int) -> None:
        """Wait until these bytes are paid for. What was not used in the past is not saved up."""
        if self._bytes_per_second is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size_bytes / self._bytes_per_second
        await asyncio.sleep(self._free_at - now)
