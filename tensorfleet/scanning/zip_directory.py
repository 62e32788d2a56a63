"""The central directory of a zip, and what the local headers say instead."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.limits import MIB, Malformed

END: Final = b"PK\x05\x06"
_END64: Final = b"PK\x06\x06"
_LOCATOR64: Final = b"PK\x06\x07"
_CENTRAL: Final = b"PK\x01\x02"
LOCAL: Final = b"PK\x03\x04"
_LONGEST_COMMENT: Final = 1 << 16
_FULL32: Final = 0xFFFFFFFF
_LARGEST_DIRECTORY: Final = 32 * MIB
_MOST_ENTRIES: Final = 200_000
_SYMLINK: Final = 0o120000
_FORMAT: Final = 0o170000
ENCRYPTED: Final = 0x2041  # traditional and strong encryption, and a directory that is masked
DESCRIPTOR: Final = 8


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """As the central directory has it. `offset` is that of the local header, from the start of the content."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    offset: int
    symlink: bool


@dataclass(frozen=True, slots=True)
class LocalHeader:
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    start: int


@dataclass(frozen=True, slots=True)
class Directory:
    """`prefix_bytes` lie before the zip: something else was put in front. `broken` says what can't be read."""

    entries: tuple[ZipEntry, ...]
    start: int
    prefix_bytes: int
    end_bytes: int
    broken: Malformed | None

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.entries]


def find_directory(content: Content) -> Directory | None:
    """By the end record that is the last, as readers look for it. None if there is none."""
    size = size_of(content)
    tail_start = max(0, size - _LONGEST_COMMENT - 22)
    tail = bytes_at(content, tail_start, size - tail_start)
    found = tail.rfind(END)
    if found < 0 or len(tail) - found < 22:
        return None
    count, length, offset, comment = struct.unpack("<HIIH", tail[found + 10 : found + 22])
    end = tail_start + found
    directory_end = end
    if end >= 20 and bytes_at(content, end - 20, 4) == _LOCATOR64:
        at = int.from_bytes(bytes_at(content, end - 12, 8), "little")
        for place in (at, end - 76):
            record = bytes_at(content, max(place, 0), 56)
            if record[:4] == _END64 and len(record) == 56:
                count, length, offset = struct.unpack("<QQQ", record[32:56])
                directory_end = max(place, 0)
                break
    start = directory_end - length
    prefix = start - offset
    if start < 0 or prefix < 0 or (count == 0 and end > 0):
        broken = Malformed("the zip's directory is not where its end record says", "zip-lie")
        return Directory((), max(start, 0), 0, size - end, broken)
    entries, error = _entries(content, start, length, count, prefix)
    return Directory(entries, start, prefix, size - end - 22 - comment, error)


def _entries(
    content: Content, start: int, length: int, count: int, prefix: int
) -> tuple[tuple[ZipEntry, ...], Malformed | None]:
    if length > _LARGEST_DIRECTORY or count > _MOST_ENTRIES:
        return (), Malformed(f"a directory of {length:,} bytes and {count:,} entries", "limit-entries")
    raw = bytes_at(content, start, length)
    entries: list[ZipEntry] = []
    try:
        entries.extend(_parsed(raw, prefix))
    except Malformed as error:
        return tuple(entries), error
    except (struct.error, IndexError):
        return tuple(entries), Malformed("the zip's directory is cut off", "zip-lie")
    if len(entries) != count & 0xFFFF and len(entries) != count:
        return tuple(entries), Malformed("the zip's directory has another number of entries than it says", "zip-lie")
    return tuple(entries), None


def _parsed(raw: bytes, prefix: int) -> Iterator[ZipEntry]:
    at = 0
    while at < len(raw):
        if raw[at : at + 4] != _CENTRAL:
            raise Malformed("bytes in the zip's directory that are no entry", "zip-lie")
        made_by, flags, method = raw[at + 5], *struct.unpack_from("<HH", raw, at + 8)
        crc, packed, size, name_len, extra_len, comment_len = struct.unpack_from("<IIIHHH", raw, at + 16)
        attributes, offset = struct.unpack_from("<II", raw, at + 38)
        name = raw[at + 46 : at + 46 + name_len]
        extra = raw[at + 46 + name_len : at + 46 + name_len + extra_len]
        size, packed, offset = _wide(extra, size, packed, offset)
        symlink = made_by == 3 and attributes >> 16 & _FORMAT == _SYMLINK
        yield ZipEntry(_decoded(name, flags), name, flags, method, crc, packed, size, offset + prefix, symlink)
        at += 46 + name_len + extra_len + comment_len


def local_header(content: Content, offset: int) -> LocalHeader:
    """Malformed if there is none."""
    raw = bytes_at(content, offset, 30)
    if len(raw) < 30 or raw[:4] != LOCAL:
        raise Malformed("no local header where the directory says", "zip-lie")
    flags, method = struct.unpack_from("<HH", raw, 6)
    crc, packed, size, name_len, extra_len = struct.unpack_from("<IIIHH", raw, 14)
    rest = bytes_at(content, offset + 30, name_len + extra_len)
    size, packed, _ = _wide(rest[name_len:], size, packed, 0)
    start = offset + 30 + name_len + extra_len
    return LocalHeader(rest[:name_len], flags, method, crc, packed, size, start)


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The 64-bit values for those that don't fit in 32."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            size = next(numbers, size) if size == _FULL32 else size
            packed = next(numbers, packed) if packed == _FULL32 else packed
            offset = next(numbers, offset) if offset == _FULL32 else offset
            return size, packed, offset
        at += 4 + length
    return size, packed, offset


def _decoded(name: bytes, flags: int) -> str:
    return name.decode("utf-8", "replace") if flags & 0x800 else name.decode("cp437")
