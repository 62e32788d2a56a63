"""Reading a seekable file, or a piece of one, in bounded steps."""

from __future__ import annotations

import io
import re
from typing import Final, Protocol

from tensorfleet.scanning.limits import Malformed, Truncated

CHUNK_BYTES: Final = 1 << 18
_FARTHEST: Final = 1 << 62  # beyond it a real file can't even be asked


class Content(Protocol):
    """Bytes at positions from 0: a file, a piece of it, or what a decompressor makes of it."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


class Window:
    """`length` bytes of `content` from `start` on, as content of its own; shorter if `content` is."""

    def __init__(self, content: Content, start: int, length: int) -> None:
        self._content = content
        self._start = start
        self._length = max(0, min(length, size_of(content) - start))
        self._at = 0

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._length - self._at)
        if wanted <= 0:
            return b""
        self._content.seek(self._start + self._at)
        found = self._content.read(wanted)
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


def size_of(content: Content) -> int:
    return content.seek(0, io.SEEK_END)


def bytes_at(content: Content, offset: int, size: int) -> bytes:
    """Up to `size` bytes; none behind the end."""
    if offset > _FARTHEST:
        return b""
    content.seek(offset)
    return read_up_to(content, size)


def read_up_to(content: Content, size: int) -> bytes:
    """`size` bytes, or what there is; a raw file may give less than asked at a time."""
    pieces: list[bytes] = []
    while size > 0 and (piece := content.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class Reader:
    """Reads content forward from `start`, with a buffer of its own; Truncated at the end of the bytes."""

    def __init__(self, content: Content, start: int = 0) -> None:
        self._content = content
        self._buffer = b""
        self._base = start
        self._at = 0

    @property
    def offset(self) -> int:
        return self._base + self._at

    def at_end(self) -> bool:
        return self._at >= len(self._buffer) and not self._fill(1)

    def byte(self) -> int:
        if self._at >= len(self._buffer) and not self._fill(1):
            raise Truncated
        value = self._buffer[self._at]
        self._at += 1
        return value

    def take(self, size: int) -> bytes:
        """Only for sizes that the caller has bounded."""
        if self._at + size > len(self._buffer) and not self._fill(size):
            raise Truncated
        found = self._buffer[self._at : self._at + size]
        self._at += size
        return found

    def some(self, most: int) -> bytes:
        """Up to `most` bytes; none only at the end."""
        self._fill(most)
        found = self._buffer[self._at : self._at + most]
        self._at += len(found)
        return found

    def number(self, size: int) -> int:
        """Little-endian, unsigned, of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def skip(self, size: int) -> None:
        if self._at + size <= len(self._buffer):
            self._at += size
            return
        target = self.offset + size
        if target > _FARTHEST:
            raise Truncated
        self._content.seek(target - 1)
        if len(self._content.read(1)) != 1:
            raise Truncated
        self._base, self._buffer, self._at = target, b"", 0

    def line(self, most: int) -> bytes:
        """Up to the next newline, without it. Malformed if it is longer than `most` bytes."""
        end = self._buffer.find(b"\n", self._at)
        wanted = 256
        while end < 0 and wanted <= most:
            wanted *= 4
            filled = self._fill(wanted)
            end = self._buffer.find(b"\n", self._at)
            if not filled:
                break
        if end < 0:
            raise Truncated if wanted <= most else Malformed("a line without an end", "line-too-long")
        found = self._buffer[self._at : end]
        self._at = end + 1
        return found

    def match(self, pattern: re.Pattern[bytes]) -> bytes:
        """What of the buffered bytes matches here, taken; empty if nothing does."""
        found = pattern.match(self._buffer, self._at)
        if found is None:
            return b""
        self._at = found.end()
        return found.group()

    def _fill(self, size: int) -> bool:
        """Hold at least `size` bytes from here on; whether there are as many."""
        self._buffer = self._buffer[self._at :]
        self._base += self._at
        self._at = 0
        missing = size - len(self._buffer)
        if missing > 0:
            self._content.seek(self._base + len(self._buffer))
            self._buffer += read_up_to(self._content, max(missing, CHUNK_BYTES))
        return len(self._buffer) >= size
