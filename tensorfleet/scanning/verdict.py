"""What a scan says about a file: its format, its verdict, and the findings behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

RULES: Final = "tensorfleet 1"
"""By whom a verdict is: raise the number with every change that may change the verdict on a file."""


class Format(StrEnum):
    """What a file is, by its bytes. COMPRESSED: gzip, zlib, bz2, xz, lzma or lz4 around something that is not known."""

    PICKLE = "pickle"
    JOBLIB = "joblib"
    TORCH = "torch"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    KERAS = "keras"
    HDF5 = "hdf5"
    GGUF = "gguf"
    NPY = "npy"
    NPZ = "npz"
    ZIP = "zip"
    TAR = "tar"
    COMPRESSED = "compressed"
    CATBOOST = "catboost"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    JSON = "json"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """What a finding does to the verdict; in rising order. A NOTE changes nothing."""

    NOTE = "note"
    UNSCANNED = "unscanned"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


class Judgement(StrEnum):
    """SAFE: all was read, and nothing found. UNSCANNED: nothing was found in what could be read, which was not all."""

    SAFE = "safe"
    UNSCANNED = "unscanned"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}
_JUDGEMENTS: Final = {
    Severity.NOTE: Judgement.SAFE,
    Severity.UNSCANNED: Judgement.UNSCANNED,
    Severity.SUSPICIOUS: Judgement.SUSPICIOUS,
    Severity.DANGEROUS: Judgement.DANGEROUS,
}


def judgement_of(worst: Severity) -> Judgement:
    return _JUDGEMENTS[worst]


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable, of a closed set; `where` is the path within archives, and after an @ the offset in bytes."""

    code: str
    severity: Severity
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`formats` are all that fit, the container first; `findings` come in the order in which the file was read."""

    formats: tuple[Format, ...]
    verdict: Judgement
    findings: tuple[Finding, ...]

    @property
    def format(self) -> str:
        return "+".join(self.formats)

    def as_json(self) -> dict[str, Any]:
        findings = [
            {"code": one.code, "severity": one.severity.value, "where": one.where, "text": one.text}
            for one in self.findings
        ]
        return {"format": self.format, "verdict": self.verdict.value, "findings": findings}


def verdict_from_json(document: dict[str, Any]) -> Verdict:
    """The inverse of `as_json`. ValueError, KeyError or TypeError if it is none."""
    return Verdict(
        tuple(Format(name) for name in document["format"].split("+")),
        Judgement(document["verdict"]),
        tuple(
            Finding(one["code"], Severity(one["severity"]), one["where"], one["text"]) for one in document["findings"]
        ),
    )


def unscanned(code: str, text: str) -> Verdict:
    """Of a file that could not be looked at."""
    return Verdict((Format.UNKNOWN,), Judgement.UNSCANNED, (Finding(code, Severity.UNSCANNED, "", text),))
