"""The names that files come with and leave with: made safe, put in a header, and read for their format."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from tensorfleet.domain.limits import FILENAME_BYTES
from tensorfleet.domain.texts import normalized

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_LINE_BREAKS: Final = frozenset({"Zl", "Zp"})
_RESERVED: Final = str.maketrans(dict.fromkeys("\"'`<>:|?*", "_"))
_EXTENSION_BYTES: Final = 32
_PLAIN: Final = re.compile(r"[ !#$&-\[\]-~]+")
_NOT_PLAIN: Final = re.compile(r"[^ !#$&-\[\]-~]")
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"

FORMATS: Final = {
    "pkl": "pickle",
    "pickle": "pickle",
    "joblib": "joblib",
    "onnx": "onnx",
    "pt": "pytorch",
    "pth": "pytorch",
    "safetensors": "safetensors",
    "h5": "hdf5",
    "hdf5": "hdf5",
    "keras": "keras",
    "gguf": "gguf",
    "npy": "numpy",
    "npz": "numpy",
    "cbm": "catboost",
    "ubj": "xgboost",
    "bst": "xgboost",
    "xgb": "xgboost",
    "zip": "zip",
    "tar": "tar",
    "tgz": "tar",
    "tbz2": "tar",
    "txz": "tar",
    "tar.gz": "tar",
    "tar.bz2": "tar",
    "tar.xz": "tar",
    "tar.zst": "tar",
    "json": "json",
}
OTHER_FORMAT: Final = "binary"


def safe_filename(raw: str) -> str | None:
    """The last path part of `raw` as a name that is safe on every system, or None when nothing of it is left.

    In NFC, without characters that cannot be seen (controls, lone surrogates, direction marks), with `_` for quotes
    and what some systems reserve, without blanks around it or dots at its end, at most FILENAME_BYTES of UTF-8.
    """
    last = re.split(r"[/\\]", raw)[-1]
    seen = "".join(" " if _category(one) in _LINE_BREAKS else one for one in last if _category(one) not in _UNSEEN)
    return _shortened(_trimmed(normalized("NFC", seen).translate(_RESERVED))) or None


def content_disposition(filename: str) -> str:
    """An attachment header for any name (RFC 6266): plain ASCII as it is, else a fallback and RFC 8187's form."""
    if _PLAIN.fullmatch(filename):
        return f'attachment; filename="{filename}"'
    encoded = quote(filename.encode("utf-8", "replace"), safe=_ATTRIBUTE_CHARACTERS)
    return f"attachment; filename=\"{_NOT_PLAIN.sub('_', filename)}\"; filename*=UTF-8''{encoded}"


def format_of(filename: str) -> str:
    """The format that the extension stands for; the content is never looked at."""
    parts = filename.lower().rsplit(".", 2)
    return FORMATS.get(".".join(parts[1:])) or (FORMATS.get(parts[-1], OTHER_FORMAT) if parts[1:] else OTHER_FORMAT)


def _category(character: str) -> str:
    return unicodedata.category(character)


def _trimmed(name: str) -> str:
    previous = None
    while name != previous:
        previous, name = name, name.strip().rstrip(".")
    return name


def _shortened(name: str) -> str:
    """Cut from the middle: the extension stays, unless it is too long to be one."""
    if len(name.encode()) <= FILENAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = dot + extension if stem and len(extension.encode()) <= _EXTENSION_BYTES else ""
    kept = (stem if ending else name).encode()[: FILENAME_BYTES - len(ending.encode())]
    return _trimmed(kept.decode("utf-8", "ignore") + ending)
