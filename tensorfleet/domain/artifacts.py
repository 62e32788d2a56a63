"""What becomes of a version's file once it is attached: verdicts, releases, and what storage has made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, assert_never

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain import limits
from tensorfleet.domain.errors import FieldError, FileNotFound, InvalidCommand, NothingToRelease, OtherFile
from tensorfleet.domain.model import VersionState

_CHECKSUM: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def decide_artifact(command: c.ArtifactCommand, target: VersionState, model_id: str) -> e.Event | None:
    """As `decide`, of the version that the command names."""
    problems = list(_problems(command))
    if problems:
        raise InvalidCommand(f"{problems[0].field} {problems[0].message}.", problems)
    number, file = str(target.number), target.file
    if file is None:
        raise FileNotFound(model_id, number)
    if not isinstance(command, c.ReleaseArtifact) and command.checksum != file.checksum:
        raise OtherFile(model_id, number)
    match command:
        case c.RecordScan():
            return _record_scan(command, target, number)
        case c.ReleaseArtifact():
            if target.scan is None or target.scan.verdict is e.ScanVerdict.SAFE:
                raise NothingToRelease(model_id, number)
            return None if target.scan.released else e.ArtifactReleased(number, file.checksum, command.reason)
        case c.ReportCorruption():
            if target.corrupt:
                return None
            return e.ArtifactFoundCorrupt(number, command.checksum, command.found, command.detail)
        case c.ReportRepair():
            return e.ArtifactRepaired(number, command.checksum, command.detail) if target.corrupt else None
        case _:
            assert_never(command)


def _record_scan(command: c.RecordScan, target: VersionState, number: str) -> e.Event | None:
    """The same verdict by the same rules is no news, however often the file is scanned."""
    before = target.scan
    if before is not None and (before.verdict, before.scanner) == (command.verdict, command.scanner):
        return None
    return e.ArtifactScanned(
        number, command.checksum, command.verdict, command.format, command.findings, command.scanner
    )


def _problems(command: c.ArtifactCommand) -> Iterator[FieldError]:
    if isinstance(command, c.ReleaseArtifact):
        yield from _text("reason", command.reason, limits.REASON_CHARACTERS, lines=True, needed=True)
        return
    yield from _checksum("checksum", command.checksum)
    if isinstance(command, c.RecordScan):
        yield from _text("format", command.format, limits.SCAN_NAME_CHARACTERS, needed=True)
        yield from _text("scanner", command.scanner, limits.SCAN_NAME_CHARACTERS, needed=True)
        yield from _findings(command.findings)
        return
    yield from _text("detail", command.detail, limits.REASON_CHARACTERS, lines=True)
    if isinstance(command, c.ReportCorruption) and command.found is not None:
        yield from _checksum("found", command.found)
        if command.found == command.checksum:
            yield FieldError("found", "is the checksum of the file itself")


def _findings(findings: tuple[e.ScanFinding, ...]) -> Iterator[FieldError]:
    if len(findings) > limits.SCAN_FINDINGS:
        yield FieldError("findings", f"has {len(findings)} entries; at most {limits.SCAN_FINDINGS} are allowed")
        return
    for index, one in enumerate(findings):
        yield from _text(f"findings.{index}.code", one.code, limits.SCAN_NAME_CHARACTERS, needed=True)
        yield from _text(f"findings.{index}.where", one.where, limits.SCAN_TEXT_CHARACTERS)
        yield from _text(f"findings.{index}.text", one.text, limits.SCAN_TEXT_CHARACTERS)


def _text(field: str, value: str, most: int, *, lines: bool = False, needed: bool = False) -> Iterator[FieldError]:
    problem = limits.text_problem(value, most, lines=lines)
    if problem is None and needed and not value.strip():
        problem = "is empty"
    if problem:
        yield FieldError(field, problem)


def _checksum(field: str, value: str) -> Iterator[FieldError]:
    if _CHECKSUM.fullmatch(value) is None:
        yield FieldError(field, "is not 64 hex digits")
