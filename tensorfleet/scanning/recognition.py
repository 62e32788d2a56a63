"""What a file is, by its bytes. Its name says nothing: the reader that is given the file decides what it is to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tensorfleet.scanning.compressed import Unpacked, compression_of
from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.limits import MIB, Budget, Limits
from tensorfleet.scanning.part import Part, Report
from tensorfleet.scanning.pickles import looks_like_pickle
from tensorfleet.scanning.tar_headers import is_header
from tensorfleet.scanning.verdict import Format
from tensorfleet.scanning.zip_directory import Directory, find_directory

HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_WRAPPER: Final = b"NumpyArrayWrapper"
_XGBOOST_UBJ: Final = re.compile(rb"\{(?:[Ll]\x00*|[iU])\x07learner\{|\{(?:L\x00{7}|l\x00{3}|i|U)\x07version\[")
_XGBOOST_JSON: Final = re.compile(rb'\s*\{\s*"(?:learner|version)"\s*:\s*[\[{]')
_SAFETENSORS: Final = re.compile(rb'.{8}\{\s*["}]', re.DOTALL)
_ONNX: Final = re.compile(rb"\x08[\x01-\x20](?:[\x12\x1a\x22\x32\x3a\x42\x72]|\x28|\xa2\x01|\xca\x01)")


def recognise(content: Content, limits: Limits | None = None) -> tuple[Format, ...]:
    """All formats that fit; UNKNOWN alone if none does. OSError if it can't be read."""
    limits = limits or Limits()
    part = Part(lambda _content, _part: None, Budget(limits), Report(0))
    return recognise_part(content, part)


def recognise_part(content: Content, part: Part) -> tuple[Format, ...]:
    found = tuple(dict.fromkeys(_formats(content, part)))
    return found or (Format.UNKNOWN,)


def _formats(content: Content, part: Part) -> Iterator[Format]:
    head = bytes_at(content, 0, 4096)
    tar = is_header(head[:512]) or head[257:262] == b"ustar"
    directory = find_directory(content)
    if directory is not None and not (tar and directory.end_bytes):  # else it is the tar's last member that is a zip
        yield _kind_of_zip(directory)
    elif head.startswith(b"PK\x03\x04"):
        yield Format.ZIP
    if tar:
        yield Format.TAR
    yield from _by_magic(content, head)
    compression = compression_of(content)
    if compression is not None:
        yield from _compressed(content, part, compression[0] == "zlib")
    if looks_like_pickle(content, part):
        yield Format.JOBLIB if _WRAPPER in bytes_at(content, 0, MIB) else Format.PICKLE


def _kind_of_zip(directory: Directory) -> Format:
    names = directory.names
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return Format.TORCH
    if "config.json" in names and ("metadata.json" in names or "model.weights.h5" in names):
        return Format.KERAS
    if names and all(name.endswith(".npy") for name in names):
        return Format.NPZ
    return Format.ZIP


def _by_magic(content: Content, head: bytes) -> Iterator[Format]:
    if head.startswith(b"GGUF"):
        yield Format.GGUF
    if head.startswith(b"\x93NUMPY"):
        yield Format.NPY
    if _SAFETENSORS.match(head):
        yield Format.SAFETENSORS
    if has_hdf5(content):
        yield Format.HDF5
    if head.startswith(b"CBM1"):
        yield Format.CATBOOST
    if head.startswith((b"binf", b"bs64")) or _XGBOOST_UBJ.match(head):
        yield Format.XGBOOST
    if head.startswith(b"tree\n") and b"version=" in head[:64]:
        yield Format.LIGHTGBM
    if _ONNX.match(head):
        yield Format.ONNX
    if head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[") and _is_text(head):
        yield Format.XGBOOST if _XGBOOST_JSON.match(head) else Format.JSON


def has_hdf5(content: Content) -> bool:
    """At the start, or behind a user block of 512, 1024, ... bytes, where HDF5's own reader looks for it."""
    offset, size = 0, size_of(content)
    while offset < size and offset <= 64 * MIB:
        if bytes_at(content, offset, 8) == HDF5_MAGIC:
            return True
        offset = 512 if offset == 0 else offset * 2
    return False


def _compressed(content: Content, part: Part, weak: bool) -> Iterator[Format]:
    """By what is inside. Two bytes are no proof of zlib: there, something must come out as well."""
    unpacked = open_compressed(content, part.budget)
    head = bytes_at(unpacked, 0, 512)
    if weak and (unpacked.broken is not None or not head) and len(head) < 2:
        return
    if looks_like_pickle(unpacked, part):
        yield Format.JOBLIB
    elif is_header(head):
        yield Format.TAR
    else:
        yield Format.COMPRESSED


def open_compressed(content: Content, budget: Budget) -> Unpacked:
    """Only of content that has a compression."""
    compression = compression_of(content)
    assert compression is not None
    return Unpacked(content, compression[1], budget, size_of(content))


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and all(byte >= 32 or byte in b"\t\r\n" for byte in head[:256])
