"""What is to be scanned, and what a scan says of it in the words of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tensorfleet.domain import limits
from tensorfleet.scanning.verdict import RANK, RULES, Finding, Verdict


@dataclass(frozen=True, slots=True)
class Artifact:
    """The file of a version. `checksum`: 64 hex digits."""

    model_id: str
    version: str
    checksum: str
    size_bytes: int


def report(artifact: Artifact, verdict: Verdict) -> dict[str, Any]:
    """The members of the command that records a verdict. Of too many findings, the worst.

    The process that found them has read hostile bytes: its words are bounded, and made plain, whatever they are.
    """
    worst = sorted(verdict.findings, key=lambda one: RANK[one.severity], reverse=True)[: limits.SCAN_FINDINGS]
    return {
        "checksum": f"sha256:{artifact.checksum}",
        "verdict": verdict.verdict.value,
        "format": _plain(verdict.format, limits.SCAN_NAME_CHARACTERS),
        "findings": [_finding(one) for one in verdict.findings if one in worst][: limits.SCAN_FINDINGS],
        "scanner": RULES,
    }


_NAMELESS: Final = "unnamed"


def _finding(one: Finding) -> dict[str, str]:
    return {
        "severity": one.severity.value,
        "code": _plain(one.code, limits.SCAN_NAME_CHARACTERS).strip() or _NAMELESS,
        "where": _plain(one.where, limits.SCAN_TEXT_CHARACTERS),
        "text": _plain(one.text, limits.SCAN_TEXT_CHARACTERS),
    }


def _plain(text: object, most: int) -> str:
    if isinstance(text, str) and limits.text_problem(text, most) is None:
        return text
    return ascii(str(text))[1:-1][:most]
