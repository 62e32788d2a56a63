"""What documents say of the verdict on a file: `scan`, which stands beside `file`, and is None without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson.int64 import Int64

from tensorfleet.domain import events as e

Scan = dict[str, Any]


def no_verdict() -> Scan:
    """Of a file that was just attached."""
    return _scan(e.ScanVerdict.UNSCANNED)


def after_verdict(before: Scan | None, event: e.ArtifactScanned, at: Int64) -> Scan:
    """A release ends with another verdict than the one that was released."""
    released = before is not None and before["released"] and before["verdict"] == event.verdict
    findings = [
        {"severity": str(one.severity), "code": one.code, "where": one.where, "text": one.text}
        for one in event.findings
    ]
    return _scan(event.verdict, event.format, findings, event.scanner, at, released)


def after_release(before: Scan | None) -> Scan | None:
    """Only a verdict can be released."""
    return before if before is None or before["scanner"] is None else {**before, "released": True}


def _scan(
    verdict: e.ScanVerdict,
    format_: str | None = None,
    findings: Sequence[dict[str, str]] = (),
    scanner: str | None = None,
    scanned_at: Int64 | None = None,
    released: bool = False,
) -> Scan:
    return {
        "verdict": str(verdict),
        "format": format_,
        "findings": list(findings),
        "scanner": scanner,
        "scanned_at": scanned_at,
        "released": released,
    }
