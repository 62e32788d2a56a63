"""The scan of a file: recognise it, read it as everything that it may be, and judge what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tensorfleet.scanning.boosters import scan_catboost, scan_lightgbm, scan_xgboost
from tensorfleet.scanning.compressed import compression_of, held_if_small
from tensorfleet.scanning.content import Content, bytes_at, size_of
from tensorfleet.scanning.gguf_files import scan_gguf
from tensorfleet.scanning.hdf5_files import scan_hdf5
from tensorfleet.scanning.keras_config import scan_json
from tensorfleet.scanning.limits import Budget, Limits, Malformed, ScanStopped
from tensorfleet.scanning.numpy_arrays import scan_npy
from tensorfleet.scanning.onnx_models import scan_onnx
from tensorfleet.scanning.part import Part, Report
from tensorfleet.scanning.pickles import scan_pickle
from tensorfleet.scanning.recognition import open_compressed, recognise_part
from tensorfleet.scanning.safetensors import scan_safetensors
from tensorfleet.scanning.tars import scan_tar
from tensorfleet.scanning.verdict import Format, Verdict, judgement_of, unscanned
from tensorfleet.scanning.zips import scan_zip

_SCANNERS: Final[dict[Format, Callable[[Content, Part], None]]] = {
    Format.PICKLE: scan_pickle,
    Format.JOBLIB: scan_pickle,
    Format.SAFETENSORS: scan_safetensors,
    Format.ONNX: scan_onnx,
    Format.HDF5: scan_hdf5,
    Format.GGUF: scan_gguf,
    Format.NPY: scan_npy,
    Format.TAR: scan_tar,
    Format.CATBOOST: scan_catboost,
    Format.XGBOOST: scan_xgboost,
    Format.LIGHTGBM: scan_lightgbm,
    Format.JSON: scan_json,
}
_ZIPS: Final = frozenset((Format.TORCH, Format.KERAS, Format.NPZ, Format.ZIP))
_PACKED: Final = frozenset((Format.JOBLIB, Format.TAR, Format.COMPRESSED))
_PROGRAMS: Final = {
    b"\x7fELF": "a program of Linux",
    b"\xcf\xfa\xed\xfe": "a program of macOS",
    b"\xca\xfe\xba\xbe": "a program of macOS or Java",
    b"#!/": "a script",
}


def scan(file: Path | Content, limits: Limits | None = None) -> Verdict:
    """Judges a file, or a seekable binary one that is open; never loads it. The same bytes give the same verdict.

    Only time may make a difference, and says so: a bound that is reached is a finding, and never SAFE. OSError if the
    file can't be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return scan(opened, limits)
    limits = limits or Limits()
    size = size_of(file)
    if size > limits.file_bytes:
        return unscanned("limit-size", f"a file of {size:,} bytes is more than is read")
    part = Part(_examine, Budget(limits), Report(limits.findings))
    formats: tuple[Format, ...] = (Format.UNKNOWN,)
    try:
        formats = recognise_part(file, part)
        _scan_as(formats, file, part)
    except ScanStopped as stop:
        part.suspicious(stop.code, f"the scan stopped: {stop.text}")
    return Verdict(formats, judgement_of(part.report.worst), part.report.findings)


def _examine(content: Content, part: Part) -> None:
    """Scan a member, or what a compressed file unpacks to."""
    if part.depth > part.limits.depth:
        part.suspicious("limit-depth", f"files within files more than {part.limits.depth} deep")
        return
    _scan_as(recognise_part(content, part), content, part)


def _scan_as(formats: tuple[Format, ...], content: Content, part: Part) -> None:
    part.budget.look_at_clock()
    if formats == (Format.UNKNOWN,):
        _scan_unknown(content, part)
        return
    packed = compression_of(content) is not None
    for one in formats:
        if one in _ZIPS:
            scan_zip(content, part, one)
        elif one is Format.COMPRESSED or (one in _PACKED and packed):
            _scan_compressed(content, part)
        else:
            try:
                _SCANNERS[one](content, part)
            except Malformed as error:
                part.suspicious(error.code, error.text)


def _scan_compressed(content: Content, part: Part) -> None:
    unpacked = open_compressed(content, part.budget)
    _examine(held_if_small(unpacked), part.member("unpacked", opaque=part.opaque))
    size_of(unpacked)  # to the end, so that a break behind what was read is seen
    if unpacked.broken is not None and not part.opaque:
        part.suspicious(unpacked.broken.code, unpacked.broken.text)


def _scan_unknown(content: Content, part: Part) -> None:
    head = bytes_at(content, 0, 64)
    for magic, what in _PROGRAMS.items():
        if head.startswith(magic):
            part.suspicious("program", what)
            return
    if not part.opaque and (head or part.depth == 0):
        part.unscanned("unknown-format", "its format is not known")
