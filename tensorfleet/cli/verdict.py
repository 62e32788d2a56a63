"""What an audit found, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tensorfleet.audit.findings import Findings

_ALWAYS = ("records", "events", "models", "claims")
_IF_ANY = ("claims that came too late", "void records of fenced owners", "records discarded by an operator")
_BLOBS = ("blobs whole", "blobs gone with what was deleted")


def describe(subject: str, findings: Findings, blobs_checked: bool, most: int) -> str:
    return "\n".join([subject, *_counts(findings, blobs_checked), *_conclusion(findings, most)])


def _counts(findings: Findings, blobs_checked: bool) -> Iterator[str]:
    for name in (*_ALWAYS, *_IF_ANY, *_BLOBS):
        number = findings.counts[name]
        if name in _BLOBS and not blobs_checked:
            continue
        if number or name in _ALWAYS or name == "blobs whole":
            yield f"{number:>12,}  {name}"
    if not blobs_checked:
        yield f"{'-':>12}  blobs were not checked"


def _conclusion(findings: Findings, most: int) -> Iterator[str]:
    if findings.sound:
        yield "Sound: nothing is missing, altered or added."
        return
    total = findings.kinds.total()
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in findings.kinds.most_common())
    yield f"NOT SOUND: {total:,} violation{'s' if total > 1 else ''} ({kinds})" + (
        f"; the first {most}:" if total > most else ":"
    )
    for one in findings.violations[:most]:
        yield f"  {one.where:<10} {one.kind:<12} {one.text}"
