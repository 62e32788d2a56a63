"""What a compressed stream unpacks to, as content that can be read anywhere, with bounded memory and no file.

Going back means to unpack from the start again; each byte that is unpacked counts against the budget every time.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol

from tensorfleet.scanning import lz4_frames
from tensorfleet.scanning.content import CHUNK_BYTES, Content, Reader, bytes_at, read_up_to
from tensorfleet.scanning.limits import MIB, Budget, Malformed, Truncated

IN_MEMORY_BYTES: Final = 8 * MIB
_LZMA_MEMORY: Final = 128 * MIB
_BOMB_BYTES: Final = 256 * MIB
_BOMB_RATIO: Final = 400
_PACKED_BYTES: Final = CHUNK_BYTES // 4

Unpacking = Callable[[Content], Iterator[bytes]]
"""The pieces of what content unpacks to. Malformed or Truncated where it breaks."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, packed: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's decompressor in the manner of those of bz2 and lzma."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, packed: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + packed, max_length)


_BREAKS: Final = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError)


def _streams(make: Callable[[], _Decompressor], several: bool = True) -> Unpacking:
    """`several`: streams may follow each other, as the readers of gzip, bz2 and xz take them."""

    def unpack(content: Content) -> Iterator[bytes]:
        start = 0
        while True:
            start = yield from _stream(make, content, start)
            following = Reader(content, start)
            while rest := following.some(_PACKED_BYTES):
                if rest.strip(b"\0"):
                    start = following.offset - len(rest.lstrip(b"\0"))
                    break
            else:
                return
            if not several:
                raise Malformed("bytes after the compressed stream", "trailing-bytes")

    return unpack


def _stream(make: Callable[[], _Decompressor], content: Content, start: int) -> Generator[bytes, None, int]:
    """One stream; returns where it ends."""
    reader, decompressor, packed = Reader(content, start), make(), b""
    while not decompressor.eof:
        packed = reader.some(_PACKED_BYTES) if decompressor.needs_input else b""
        if not packed and decompressor.needs_input:
            raise Truncated("the compressed stream ends too early")
        try:
            piece = decompressor.decompress(packed, CHUNK_BYTES)
        except _BREAKS as error:
            yield from _salvaged(make(), content, start, reader.offset - len(packed))
            raise Malformed(f"the compressed stream is broken: {error}") from error
        if piece:
            yield piece
    return reader.offset - len(decompressor.unused_data)


def _salvaged(decompressor: _Decompressor, content: Content, start: int, broken_from: int) -> Iterator[bytes]:
    """What the bytes from `broken_from` on give before the break: a reader that takes smaller steps sees it, too."""
    reader = Reader(content, start)
    while reader.offset < broken_from:
        packed = reader.some(min(_PACKED_BYTES, broken_from - reader.offset))
        while decompressor.decompress(packed, CHUNK_BYTES) or not decompressor.needs_input:
            packed = b""
    try:
        while not reader.at_end():
            piece = decompressor.decompress(reader.take(1), CHUNK_BYTES)
            while piece:
                yield piece
                piece = decompressor.decompress(b"", CHUNK_BYTES)
    except _BREAKS:
        return


def _lz4(content: Content) -> Iterator[bytes]:
    yield from lz4_frames.unpack_frames(Reader(content))


DEFLATE: Final = _streams(lambda: _Zlib(-15), several=False)
BZ2: Final = _streams(bz2.BZ2Decompressor)
_BY_MAGIC: Final[tuple[tuple[bytes, str, Unpacking], ...]] = (
    (b"\x1f\x8b\x08", "gzip", _streams(lambda: _Zlib(31))),
    (b"BZh", "bz2", BZ2),
    (b"\xfd7zXZ\x00", "xz", _streams(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _LZMA_MEMORY))),
    (b"]\x00\x00", "lzma", _streams(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LZMA_MEMORY))),
    (lz4_frames.MAGIC, "lz4", _lz4),
)
_ZLIB: Final = _streams(lambda: _Zlib(15), several=False)


def compression_of(content: Content) -> tuple[str, Unpacking] | None:
    """Its name, and how to unpack it."""
    head = bytes_at(content, 0, 6)
    for magic, name, unpacking in _BY_MAGIC:
        if head.startswith(magic):
            return name, unpacking
    if len(head) >= 2 and head[0] & 15 == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0:
        return ("zlib", _ZLIB) if not head[1] & 32 else None
    return None


class Unpacked:
    """Content made by unpacking. Where the packed bytes break it ends, and `broken` says why."""

    def __init__(self, packed: Content, unpacking: Unpacking, budget: Budget, packed_bytes: int) -> None:
        self._packed = packed
        self._unpacking = unpacking
        self._budget = budget
        self._packed_bytes = max(packed_bytes, 1)
        self._end: int | None = None
        self.broken: Malformed | None = None
        self._wanted = 0
        self._restart()

    def read(self, size: int, /) -> bytes:
        if self._wanted < self._made - len(self._piece):
            self._restart(self._wanted)
        while self._wanted >= self._made:
            if not self._next():
                return b""
        start = self._wanted - (self._made - len(self._piece))
        found = self._piece[start : start + size]
        self._wanted += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            while self._end is None:
                self._next()
            offset += self._end
        elif whence == io.SEEK_CUR:
            offset += self._wanted
        self._wanted = max(0, offset)
        return self._wanted

    def tell(self) -> int:
        return self._wanted

    def _restart(self, wanted: int = 0) -> None:
        self._pieces = self._unpacking(self._packed)
        self._piece = b""
        self._made = 0
        self._wanted = wanted

    def _next(self) -> bool:
        try:
            piece = next(self._pieces, None)
            if self._made > _BOMB_BYTES and self._made // self._packed_bytes > _BOMB_RATIO:
                raise Malformed(f"unpacks to more than {_BOMB_RATIO} times its size: a bomb", "bomb")
        except Malformed as error:
            piece, self.broken = None, error
        if piece is None:
            self._end = self._made
            self._pieces = iter(())
            return False
        self._budget.unpacked(len(piece))
        self._piece = piece
        self._made += len(piece)
        return True


def held_if_small(content: Unpacked) -> Content:
    """The same content; in memory if that is at most 8 MiB, so that going back costs nothing."""
    content.seek(0)
    start = read_up_to(content, IN_MEMORY_BYTES + 1)
    return io.BytesIO(start) if len(start) <= IN_MEMORY_BYTES else content
