"""Decompresses LZ4 frames, block by block; written out here because joblib's format is the only one that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tensorfleet.scanning.content import Reader
from tensorfleet.scanning.limits import Malformed

MAGIC: Final = b"\x04\x22\x4d\x18"
_BLOCK_BYTES: Final = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}
_HISTORY: Final = 1 << 16
_UNCOMPRESSED: Final = 1 << 31


def unpack_frames(reader: Reader) -> Iterator[bytes]:
    """The content of all frames, in pieces of up to 4 MiB. Malformed, Truncated."""
    while not reader.at_end():
        if reader.take(4) != MAGIC:
            raise Malformed("bytes after the last frame of LZ4", "trailing-bytes")
        yield from _frame(reader)


def _frame(reader: Reader) -> Iterator[bytes]:
    flags, sizes = reader.byte(), reader.byte()
    most = _BLOCK_BYTES.get(sizes >> 4 & 7)
    if flags >> 6 != 1 or most is None:
        raise Malformed("no LZ4 frame that is known")
    if flags & 1:
        raise Malformed("LZ4 with a dictionary of its own")
    reader.skip((8 if flags & 8 else 0) + 1)
    independent, block_sum, content_sum = flags & 32, flags & 16, flags & 4
    history = b""
    while size := reader.number(4):
        length = size & ~_UNCOMPRESSED
        if length > most:
            raise Malformed("an LZ4 block larger than it may be")
        packed = reader.take(length)
        block = packed if size & _UNCOMPRESSED else _block(packed, history, most)
        if block_sum:
            reader.skip(4)
        if not independent:
            history = (history + block)[-_HISTORY:]
        yield block
    if content_sum:
        reader.skip(4)


def _block(packed: bytes, history: bytes, most: int) -> bytes:
    out = bytearray(history)
    at, end, limit = 0, len(packed), len(history) + most
    try:
        while at < end:
            token = packed[at]
            at += 1
            length = token >> 4
            if length == 15:
                length, at = _longer(packed, at, length)
            if at + length > end:
                raise Malformed("an LZ4 block ends too early", "truncated")
            out += packed[at : at + length]
            at += length
            if at >= end:
                break
            distance = packed[at] | packed[at + 1] << 8
            at += 2
            length = token & 15
            if length == 15:
                length, at = _longer(packed, at, length)
            _repeat(out, distance, length + 4, limit)
    except IndexError:
        raise Malformed("an LZ4 block ends too early", "truncated") from None
    if len(out) > limit:
        raise Malformed("an LZ4 block unpacks to more than it may")
    return bytes(out[len(history) :])


def _longer(packed: bytes, at: int, length: int) -> tuple[int, int]:
    while True:
        more = packed[at]
        at += 1
        length += more
        if more != 255:
            return length, at


def _repeat(out: bytearray, distance: int, length: int, limit: int) -> None:
    start = len(out) - distance
    if distance == 0 or start < 0 or len(out) + length > limit:
        raise Malformed("an LZ4 block points outside of itself")
    if distance >= length:
        out += out[start : start + length]
    else:
        pattern = bytes(out[start:])
        out += (pattern * (length // distance + 1))[:length]
