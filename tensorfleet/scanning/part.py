"""What every scanner of a format gets beside the bytes: where it is, how deep, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tensorfleet.scanning.content import Content
from tensorfleet.scanning.limits import Budget, Limits
from tensorfleet.scanning.verdict import RANK, Finding, Severity

_LONGEST_SHOWN: Final = 120


def shown(name: str) -> str:
    """Text from the file, so that it forges no line and colours no terminal."""
    return ascii(name[:_LONGEST_SHOWN])[1:-1] + ("..." if len(name) > _LONGEST_SHOWN else "")


class Report:
    """The findings so far: each once, no more than `most`, of which the worse stay."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._findings: list[Finding] = []
        self._seen: set[Finding] = set()
        self.left_out = 0
        self.worst = Severity.NOTE

    def add(self, finding: Finding) -> None:
        if finding in self._seen:
            return
        if RANK[finding.severity] > RANK[self.worst]:
            self.worst = finding.severity
        if len(self._findings) < self._most:
            self._findings.append(finding)
            self._seen.add(finding)
            return
        self.left_out += 1
        milder = next((one for one in reversed(self._findings) if RANK[one.severity] < RANK[finding.severity]), None)
        if milder is not None:
            self._findings.remove(milder)
            self._findings.append(finding)
            self._seen.add(finding)

    @property
    def findings(self) -> tuple[Finding, ...]:
        if not self.left_out:
            return tuple(self._findings)
        return *self._findings, Finding("more-findings", Severity.NOTE, "", f"{self.left_out:,} more were left out")


@dataclass(frozen=True)
class Part:
    """A file, or a member of one. `examine` scans further content, whatever its format, as a part of its own.

    `storages`: persistent ids are those of torch, to which a plain unpickler has no answer.
    `opaque`: the container's loader takes the bytes as they are, so that their being of no known format is no finding.
    """

    examine: Callable[[Content, Part], None]
    budget: Budget
    report: Report
    where: str = ""
    depth: int = 0
    storages: bool = False
    opaque: bool = False

    @property
    def limits(self) -> Limits:
        return self.budget.limits

    def find(self, code: str, severity: Severity, text: str, offset: int | None = None) -> None:
        where = self.where if offset is None else f"{self.where}@{offset}"
        self.report.add(Finding(code, severity, where, text))

    def dangerous(self, code: str, text: str, offset: int | None = None) -> None:
        self.find(code, Severity.DANGEROUS, text, offset)

    def suspicious(self, code: str, text: str, offset: int | None = None) -> None:
        self.find(code, Severity.SUSPICIOUS, text, offset)

    def unscanned(self, code: str, text: str, offset: int | None = None) -> None:
        self.find(code, Severity.UNSCANNED, text, offset)

    def member(self, name: str, *, storages: bool = False, opaque: bool = False) -> Part:
        where = f"{self.where}/{shown(name)}" if self.where else shown(name)
        return replace(self, where=where, depth=self.depth + 1, storages=storages, opaque=opaque)
