"""The audit of an export, wholly offline: the file is what was written, and the log in it is sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from tensorfleet.audit.export_format import ExportHeader, closing_line, parse_record, record_line
from tensorfleet.audit.findings import Findings, Kind
from tensorfleet.audit.log import LogAudit
from tensorfleet.domain.errors import Malformed
from tensorfleet.events.codec import Codec


def audit_export(
    file: BinaryIO, model_id: str | None, codec: Codec, findings: Findings
) -> tuple[ExportHeader, LogAudit]:
    """Malformed if the file is no export at all; whatever else is wrong becomes a finding."""
    header = ExportHeader.parse(file.readline())
    if model_id is not None and header.model_id not in (None, model_id):
        raise Malformed(f"This export is of the model {header.model_id} alone.")
    audit = LogAudit(codec, findings, header.partitions, header.ranges, model_id or header.model_id)
    known = {one.partition for one in header.ranges}
    lines = _Lines(hashlib.sha256(header.line()), findings)
    for where, line in lines.records(file):
        try:
            record = parse_record(line)
        except ValueError as error:
            findings.add(Kind.EDITED, where, f"is not a record as an export writes it: {error}")
            continue
        if record.partition not in known:
            findings.add(Kind.EDITED, where, f"partition {record.partition} is not one of this export")
            continue
        if record_line(record, codec) != line:
            findings.add(Kind.EDITED, where, f"what it shows of {record.position} is not what the raw bytes say")
        audit.add(record)
    audit.finish()
    return header, audit


@dataclass(slots=True)
class _Lines:
    """The lines of the records; the closing line is judged, not given out."""

    sha256: Any
    findings: Findings
    number: int = field(default=1)

    def records(self, file: BinaryIO) -> Iterator[tuple[str, bytes]]:
        before: bytes | None = None
        for line in file:
            if before is not None:
                yield self._record(before)
            before = line
        self._close(before)
        if before is not None and not _is_closing(before):
            yield self._record(before)

    def _record(self, line: bytes) -> tuple[str, bytes]:
        self.sha256.update(line)
        self.number += 1
        return f"line {self.number}", line

    def _close(self, line: bytes | None) -> None:
        if line is None or not _is_closing(line):
            where = f"line {self.number + (line is not None)}"
            self.findings.add(Kind.TRUNCATED, where, "the file ends without its closing line")
        elif line != closing_line(self.number - 1, self.sha256.hexdigest()):
            text = "the lines before are not those that were written: their number or their SHA-256 is another one"
            self.findings.add(Kind.EDITED, f"line {self.number + 1}", text)


def _is_closing(line: bytes) -> bool:
    try:
        return set(orjson.loads(line)) == {"records", "sha256"}
    except (ValueError, TypeError):
        return False
