"""What the scanner tells the registry: whatever the sandbox says, the registry takes it, on whichever instance."""

from __future__ import annotations

from typing import Any

import pytest

from services.command_api import wire
from services.command_api.forms import ScanForm
from services.scanner.artifact import Artifact, report
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.decider import decide
from tensorfleet.domain.versions import FIRST
from tensorfleet.scanning.verdict import RULES, Finding, Format, Judgement, Severity, Verdict
from tests.builders import MODEL_ID, blob, given, registration, scan_of

FILE = blob()
ARTIFACT = Artifact(MODEL_ID, "v1.0", FILE.checksum, FILE.size_bytes)
ODD: Any = ["", " ", "a\nb", "\x1b[31m", "\0", "\ud800", "x" * 5_000, "текст", 5, None, ["list"]]


def recorded(findings: list[Finding]) -> e.ArtifactScanned:
    """The event that the decider makes of it."""
    told = report(ARTIFACT, Verdict((Format.TORCH, Format.PICKLE), Judgement.DANGEROUS, tuple(findings)))
    form = ScanForm.model_validate(told)
    found = tuple(e.ScanFinding(e.Severity(one.severity), one.code, one.where, one.text) for one in form.findings)
    checksum = form.checksum.removeprefix("sha256:")
    command = c.RecordScan(FIRST, checksum, e.ScanVerdict(form.verdict), form.format, found, form.scanner)
    event = decide(command, given(registration(), c.AttachFile(FILE)), MODEL_ID)
    assert isinstance(event, e.ArtifactScanned)
    return event


def test_whatever_the_sandbox_says_becomes_an_event() -> None:
    event = recorded([Finding(one, Severity.NOTE, one, one) for one in ODD])
    assert (event.format, event.scanner, len(event.findings)) == ("torch+pickle", RULES, len(ODD))
    assert event.findings[7] == e.ScanFinding(e.Severity.NOTE, "текст", "текст", "текст")


def test_of_too_many_findings_the_worst_are_told_in_their_order() -> None:
    notes = [Finding("n", Severity.NOTE, str(number), "") for number in range(150)]
    bad = [Finding("d", Severity.DANGEROUS, str(number), "") for number in range(2)]
    found = recorded([*notes[:75], bad[0], *notes[75:], bad[1]]).findings
    assert len(found) == 100
    assert [one.where for one in found if one.code == "d"] == ["0", "1"]
    assert [one.where for one in found if one.code == "n"] == [str(number) for number in range(98)]


@pytest.mark.parametrize(
    "command",
    [
        scan_of(FILE),
        c.ReleaseArtifact(FIRST, "why"),
        c.ReportCorruption(FIRST, FILE.checksum, None, "x"),
        c.ReportRepair(FIRST, FILE.checksum, "x"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_command_about_a_file_is_the_same_after_the_hop_to_its_owner(command: c.Command) -> None:
    kind, plain = wire.plain_command(command)
    hop = wire.ForwardedCommand(MODEL_ID, "", kind, plain, "00" * 16, "00" * 32, "tester", None, 1.0)
    (there,) = wire.load_forwarded(b"[" + wire.dump_forwarded(hop) + b"]")
    assert wire.rich_command(there) == command
