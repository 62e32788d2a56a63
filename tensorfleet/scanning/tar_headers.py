"""The headers of tar archives, one by one, whatever their dialect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.limits import MIB, Malformed

BLOCK: Final = 512
_LONGEST_EXTENSION: Final = MIB
_FILES: Final = "0\0" + "7"
_PAX: Final = "xgX"


@dataclass(frozen=True, slots=True)
class TarEntry:
    """`kind` is the type flag; `start` and `size_bytes` are of its content."""

    name: str
    link: str
    kind: str
    start: int
    size_bytes: int

    @property
    def is_file(self) -> bool:
        return self.kind in _FILES


def is_header(block: bytes) -> bool:
    """Is its checksum, by which every dialect knows a header, right?"""
    if len(block) < BLOCK or block[0] == 0:
        return False
    stated = _octal(block[148:156])
    return stated is not None and stated == sum(block[:148]) + 32 * 8 + sum(block[156:BLOCK])


def tar_entries(content: Content) -> Iterator[TarEntry]:
    """All entries to the end mark. Malformed at a header that is none, or if the mark is not the end."""
    at, size = 0, size_of(content)
    long_name: str | None = None
    long_link: str | None = None
    pax: dict[str, str] = {}
    while at < size:
        block = bytes_at(content, at, BLOCK)
        if not block.strip(b"\0"):
            _check_end(content, at, size)
            return
        if not is_header(block):
            raise Malformed("no header of tar where one should be", "malformed-tar")
        length, kind = _size(block), chr(block[156])
        if kind in _PAX or kind in "LK":
            extension = _extension(content, at + BLOCK, length)
            if kind == "L":
                long_name = extension.rstrip(b"\0").decode("utf-8", "replace")
            elif kind == "K":
                long_link = extension.rstrip(b"\0").decode("utf-8", "replace")
            else:
                pax.update(_pax(extension))
        else:
            length = _integer(pax.get("size"), length)
            name = pax.get("path") or long_name or _name(block)
            link = pax.get("linkpath") or long_link or _text(block[157:257])
            yield TarEntry(name, link, kind, at + BLOCK, length)
            if at + BLOCK + length > size:
                raise Malformed("an entry goes beyond the end", "truncated")
            long_name, long_link, pax = None, None, {}
            if kind in "12346" + "5":
                length = 0
        at += BLOCK + -(-length // BLOCK) * BLOCK
    raise Malformed("the end mark is missing", "truncated")


def _check_end(content: Content, at: int, size: int) -> None:
    while at < size:
        block = bytes_at(content, at, MIB)
        if block.strip(b"\0"):
            raise Malformed("bytes after the archive's end", "trailing-bytes")
        at += MIB


def _extension(content: Content, start: int, length: int) -> bytes:
    if length > _LONGEST_EXTENSION:
        raise Malformed(f"an extended header of {length:,} bytes", "malformed-tar")
    return bytes_at(content, start, length)


def _pax(raw: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(raw) and (space := raw.find(b" ", at, at + 10)) > 0:
        digits = raw[at:space]
        if not digits.isdigit() or int(digits) <= space - at:
            raise Malformed("an extended header that can't be read", "malformed-tar")
        key, _, value = raw[space + 1 : at + int(digits) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(digits)
    return found


def _name(block: bytes) -> str:
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    name = _text(block[:100])
    return f"{prefix}/{name}" if prefix else name


def _size(block: bytes) -> int:
    field = block[124:136]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    size = _octal(field)
    if size is None:
        raise Malformed("an entry without a size", "malformed-tar")
    return size


def _integer(digits: str | None, otherwise: int) -> int:
    if digits is None:
        return otherwise
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Malformed("an entry whose size is no number", "malformed-tar")
    return int(digits)


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
