"""How far a scan goes, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20


class ScanStopped(Exception):
    """A bound of the whole scan was reached: nothing further is read. `code` and `text` become a finding."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Malformed(Exception):
    """The part being read is not what its format asks for, or passes a bound of its own."""

    def __init__(self, text: str, code: str = "malformed") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Truncated(Malformed):
    """The bytes end before the part does."""

    def __init__(self, text: str = "the bytes end too early") -> None:
        super().__init__(text, "truncated")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one scan. `seconds` are of real time, `memory_bytes` of address space of the scanner's own process.

    `unpacked_bytes` counts what decompressors give, over all members and all passes; `file_bytes` is the file itself.
    """

    file_bytes: int = 64 << 30
    unpacked_bytes: int = 8 << 30
    entries: int = 100_000
    depth: int = 4
    opcodes: int = 100_000_000
    stack_items: int = 1_000_000
    text_bytes: int = 16 * MIB
    findings: int = 100
    seconds: float = 300.0
    memory_bytes: int = 512 * MIB


class Budget:
    """Counts what a scan has used up. Every method raises ScanStopped when its bound is reached."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._deadline = clock() + limits.seconds
        self._unpacked_bytes = 0
        self._entries = 0
        self._opcodes = 0

    def look_at_clock(self) -> None:
        if self._clock() >= self._deadline:
            raise ScanStopped("limit-time", f"not read to the end within {self.limits.seconds:g} seconds")

    def unpacked(self, size_bytes: int) -> None:
        self._unpacked_bytes += size_bytes
        self.look_at_clock()
        if self._unpacked_bytes > self.limits.unpacked_bytes:
            raise ScanStopped("limit-unpacked", f"unpacks to more than {self.limits.unpacked_bytes:,} bytes")

    def entry(self) -> None:
        self._entries += 1
        if self._entries % 64 == 0:
            self.look_at_clock()
        if self._entries > self.limits.entries:
            raise ScanStopped("limit-entries", f"more than {self.limits.entries:,} entries")

    def opcodes(self, count: int) -> None:
        self._opcodes += count
        self.look_at_clock()
        if self._opcodes > self.limits.opcodes:
            raise ScanStopped("limit-opcodes", f"more than {self.limits.opcodes:,} pickle opcodes")
