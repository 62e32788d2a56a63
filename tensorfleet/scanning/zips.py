"""Scans zips of any kind: the directory against the local headers, and every member by its content."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from tensorfleet.scanning.compressed import BZ2, DEFLATE, Unpacked, held_if_small
from tensorfleet.scanning.content import CHUNK_BYTES, Content, Window, bytes_at, size_of
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.member_names import escapes, link_escapes
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.verdict import Format
from tensorfleet.scanning.zip_directory import (
    DESCRIPTOR,
    ENCRYPTED,
    LOCAL,
    LocalHeader,
    ZipEntry,
    find_directory,
    local_header,
)

_STORED, _DEFLATED, _BZ2 = 0, 8, 12
_LONGEST_DESCRIPTOR: Final = 24
# What torch's own reader takes as numbers or settings, and never as a pickle.
_TORCH_RAW: Final = re.compile(
    r"(?:[^/]+/)?(?:data/\d+|constants/\d+|version|byteorder|\.data/serialization_id|\.format_version|\.storage_alignment)"
)


def scan_zip(content: Content, part: Part, kind: Format) -> None:
    directory = find_directory(content)
    if directory is None:
        part.suspicious("truncated", "a zip without its directory")
        _scan_unlisted(content, part, 0, size_of(content))
        return
    if directory.broken is not None:
        part.suspicious(directory.broken.code, directory.broken.text)
    if directory.prefix_bytes:
        part.suspicious("prefixed-zip", f"{directory.prefix_bytes:,} bytes lie before the zip")
    if directory.end_bytes:
        part.suspicious("trailing-bytes", "bytes lie after the zip's end")
    members: list[tuple[int, int]] = []
    names: set[bytes] = set()
    for entry in directory.entries:
        part.budget.entry()
        if entry.raw_name in names:
            part.suspicious("duplicate-member", f"two members are called {shown(entry.name)}")
        names.add(entry.raw_name)
        end = _scan_entry(content, part, entry, kind)
        members.append((entry.offset, end))
    _check_layout(content, part, members, directory.start)


def _scan_entry(content: Content, part: Part, entry: ZipEntry, kind: Format) -> int:
    """Where it ends, its descriptor excluded."""
    raw = kind is Format.TORCH and bool(_TORCH_RAW.fullmatch(entry.name))
    member = part.member(entry.name, storages=kind is Format.TORCH, opaque=raw)
    if escapes(entry.name) or "\0" in entry.name:
        member.dangerous("path-traversal", "its name leads out of the archive's folder")
    try:
        local = local_header(content, entry.offset)
    except Malformed as error:
        member.suspicious(error.code, error.text)
        return entry.offset
    _check_local(member, entry, local)
    if (entry.flags | local.flags) & ENCRYPTED:
        member.unscanned("encrypted", "it is encrypted, or says so: torch takes no notice")
        member = replace(member, opaque=True)
    packed = Window(content, local.start, entry.packed_bytes)
    if size_of(packed) < entry.packed_bytes:
        member.suspicious("truncated", "it goes beyond the end of the file")
    for method in dict.fromkeys((entry.method, local.method)):
        _scan_packed(packed, member, entry, method)
    return local.start + entry.packed_bytes


def _check_local(member: Part, entry: ZipEntry, local: LocalHeader) -> None:
    if local.raw_name != entry.raw_name:
        name = shown(local.raw_name.decode("utf-8", "replace"))
        member.suspicious("zip-lie", f"its local header calls it {name}")
        if escapes(local.raw_name.decode("utf-8", "replace")):
            member.dangerous("path-traversal", "its name leads out of the archive's folder")
    if local.method != entry.method:
        member.suspicious("zip-lie", "directory and local header name two methods of compression")
    if local.flags & DESCRIPTOR:
        return
    if (local.packed_bytes, local.size_bytes) != (entry.packed_bytes, entry.size_bytes):
        member.suspicious("zip-lie", "directory and local header name two sizes")


def _scan_packed(packed: Window, member: Part, entry: ZipEntry, method: int) -> None:
    if method == _STORED:
        content: Content = packed
        unpacked = None
    elif method in (_DEFLATED, _BZ2):
        unpacking = DEFLATE if method == _DEFLATED else BZ2
        unpacked = Unpacked(packed, unpacking, member.budget, entry.packed_bytes)
        content = held_if_small(unpacked)
    else:
        member.unscanned("unknown-compression", f"it is packed by method {method}, which is not read here")
        return
    if entry.symlink:
        _check_symlink(content, member, entry.name)
        return
    if not entry.name.endswith("/") or entry.size_bytes:
        member.examine(content, member)
    _check_content(content, member, entry)
    if unpacked is not None and unpacked.broken is not None and not entry.flags & ENCRYPTED:
        member.suspicious(unpacked.broken.code, unpacked.broken.text)


def _check_symlink(content: Content, member: Part, name: str) -> None:
    target = bytes_at(content, 0, 4096).decode("utf-8", "replace")
    if link_escapes(name, target):
        member.dangerous("link-traversal", f"a link that leads to {shown(target)}")
    else:
        member.suspicious("link", "a link")


def _check_content(content: Content, member: Part, entry: ZipEntry) -> None:
    """Torch takes no notice of a wrong checksum, where other readers stop: what they see is then not the same.

    On request, torch writes 0 for all of them.
    """
    crc, size = 0, 0
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES * 4):
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        member.budget.look_at_clock()
    if size != entry.size_bytes:
        member.suspicious("zip-lie", f"it has {size:,} bytes, and {entry.size_bytes:,} by the directory")
    elif crc != entry.crc and (entry.crc or not member.storages) and not entry.flags & ENCRYPTED:
        member.suspicious("wrong-checksum", "its checksum is wrong")


def _check_layout(content: Content, part: Part, members: list[tuple[int, int]], directory_start: int) -> None:
    members.sort()
    for (_, end), (start, _) in pairwise(members):
        if start < end:
            part.suspicious("overlap", "members overlap, as they do in bombs and where one hides another", start)
    first = members[0][0] if members else directory_start
    for start, end in _gaps(members, min(first, directory_start), directory_start):
        _scan_gap(content, part, start, end)


def _gaps(members: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    for next_start, next_end in members:
        if next_start > start:
            yield start, next_start
        start = max(start, next_end)
    if end > start:
        yield start, end


def _scan_gap(content: Content, part: Part, start: int, end: int) -> None:
    """Descriptors of members that were written in one go lie there; anything else does not belong to the zip."""
    if end - start <= _LONGEST_DESCRIPTOR and bytes_at(content, start, 4) != LOCAL:
        return
    part.suspicious("hidden-bytes", f"{end - start:,} bytes belong to no member", start)
    _scan_unlisted(content, part, start, end)


def _scan_unlisted(content: Content, part: Part, start: int, end: int) -> None:
    """Members that only a reader of local headers finds."""
    while start < end:
        part.budget.entry()
        window = bytes_at(content, start, min(CHUNK_BYTES, end - start))
        found = window.find(LOCAL)
        if found < 0:
            start += max(1, len(window) - 3)
            continue
        start += found
        try:
            local = local_header(content, start)
        except Malformed:
            return
        name = local.raw_name.decode("utf-8", "replace")
        packed = Window(content, local.start, local.packed_bytes or end - local.start)
        entry = ZipEntry(name, local.raw_name, 0, local.method, 0, size_of(packed), 0, start, False)
        member = part.member(name, opaque=True)
        if entry.method == _STORED:
            member.examine(packed, member)
        elif entry.method == _DEFLATED:
            member.examine(Unpacked(packed, DEFLATE, member.budget, entry.packed_bytes), member)
        start = local.start + local.packed_bytes
