"""What a verdict, a release and a corruption do to a version's file: given some commands, when one more comes."""

from __future__ import annotations

from typing import Any

import pytest

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.decider import decide
from tensorfleet.domain.errors import (
    FileNotFound,
    InvalidCommand,
    ModelNotFound,
    NothingToRelease,
    OtherFile,
    RegistryError,
    VersionNotFound,
)
from tensorfleet.domain.events import ScanVerdict
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.model import LiveModel, Model, ScanState
from tensorfleet.domain.versions import FIRST, ModelVersion
from tensorfleet.events.envelope import Position
from tensorfleet.projection.documents import ModelDocuments
from tensorfleet.projection.facets import by_verdict
from tests.builders import MODEL_ID, blob, envelope, given, registration, scan_of

SECOND = ModelVersion(1, 1)
FILE = blob()
UPLOADED = (registration(), c.AttachFile(FILE))
RELEASE = c.ReleaseArtifact(FIRST, "looked at")
CORRUPT = c.ReportCorruption(FIRST, FILE.checksum, None, "a download")
REPAIRED = c.ReportRepair(FIRST, FILE.checksum, "by hand")


def then(command: c.Command, model: Model) -> e.Event | None:
    return decide(command, model, MODEL_ID)


def scan(model: Model) -> ScanState | None:
    assert isinstance(model, LiveModel)
    return model.versions[FIRST].scan


def test_a_verdict_is_an_event_and_the_same_by_the_same_rules_is_not() -> None:
    model = given(*UPLOADED, scan_of(FILE))
    assert scan(model) == ScanState(ScanVerdict.DANGEROUS, "tensorfleet 1", released=False)
    assert then(scan_of(FILE), model) is None
    newer = then(scan_of(FILE, rules=2), model)
    other = then(scan_of(FILE, ScanVerdict.SAFE), model)
    assert isinstance(newer, e.ArtifactScanned) and newer.scanner == "tensorfleet 2"
    assert isinstance(other, e.ArtifactScanned) and (other.verdict, other.findings) == (ScanVerdict.SAFE, ())


def test_a_release_holds_for_as_long_as_the_verdict_is_the_same() -> None:
    model = given(*UPLOADED, scan_of(FILE), RELEASE)
    assert scan(model) == ScanState(ScanVerdict.DANGEROUS, "tensorfleet 1", released=True)
    assert then(RELEASE, model) is None
    still = given(*UPLOADED, scan_of(FILE), RELEASE, scan_of(FILE, rules=2))
    ended = given(*UPLOADED, scan_of(FILE), RELEASE, scan_of(FILE, ScanVerdict.SUSPICIOUS))
    assert [one.released for one in (scan(still), scan(ended)) if one] == [True, False]


def test_what_needs_no_release_is_not_released() -> None:
    for model in (given(*UPLOADED), given(*UPLOADED, scan_of(FILE, ScanVerdict.SAFE))):
        with pytest.raises(NothingToRelease):
            then(RELEASE, model)


def test_a_corruption_is_told_once_until_it_is_repaired() -> None:
    model = given(*UPLOADED)
    assert then(REPAIRED, model) is None
    model = given(*UPLOADED, CORRUPT)
    assert isinstance(model, LiveModel) and model.versions[FIRST].corrupt
    assert then(CORRUPT, model) is None
    assert then(REPAIRED, model) == e.ArtifactRepaired("v1.0", FILE.checksum, "by hand")
    assert given(*UPLOADED, CORRUPT, REPAIRED) == given(*UPLOADED)


@pytest.mark.parametrize("command", [scan_of(FILE), RELEASE, CORRUPT, REPAIRED], ids=lambda one: type(one).__name__)
def test_what_is_not_there_and_what_is_another_file_is_refused(command: c.Command) -> None:
    other = given(registration(), c.AttachFile(blob(b"other")))
    cases: list[tuple[type[RegistryError], Model]] = [
        (ModelNotFound, given(*UPLOADED, c.DeleteModel())),
        (VersionNotFound, given(*UPLOADED, c.CreateVersion(), c.DeleteVersion(FIRST))),
        (FileNotFound, given(registration())),
        (NothingToRelease if command == RELEASE else OtherFile, other),
    ]
    for error, model in cases:
        with pytest.raises(error):
            then(command, model)


FINDING = e.ScanFinding(e.Severity.NOTE, "code", "", "")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("checksum", {"checksum": FILE.checksum.upper()}),
        ("format", {"format": ""}),
        ("scanner", {"scanner": "s" * 201}),
        ("findings", {"findings": (FINDING,) * 101}),
        ("findings.1.code", {"findings": (FINDING, e.ScanFinding(e.Severity.NOTE, " ", "", ""))}),
        ("findings.0.where", {"findings": (e.ScanFinding(e.Severity.NOTE, "code", "\x1b[31m", ""),)}),
        ("findings.0.text", {"findings": (e.ScanFinding(e.Severity.NOTE, "code", "", "t" * 1001),)}),
    ],
)
def test_a_wrong_verdict_names_its_field(field: str, fields: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "version": FIRST,
        "checksum": FILE.checksum,
        "verdict": ScanVerdict.SAFE,
        "format": "pickle",
        "findings": (FINDING,) * 100,
        "scanner": "s" * 200,
    }
    assert then(c.RecordScan(**right), given(*UPLOADED)) is not None
    with pytest.raises(InvalidCommand) as refused:
        then(c.RecordScan(**right | fields), given(*UPLOADED))
    assert [one.field for one in refused.value.errors] == [field]


def test_a_corruption_that_found_the_file_itself_is_none() -> None:
    for found in (FILE.checksum, "short"):
        with pytest.raises(InvalidCommand, match="found"):
            then(c.ReportCorruption(FIRST, FILE.checksum, found, ""), given(*UPLOADED))


def documents(*commands: c.Command) -> ModelDocuments:
    """What the projection makes of the events of these commands."""
    found, model = ModelDocuments(None, lambda _: None), given()
    for number, command in enumerate(commands, 1):
        event = then(command, model)
        assert event is not None
        model = evolve(model, event)
        found.apply(envelope(event, sequence=number, occurred_at=number), Position(0, number), bytes(32))
    return found


def test_the_documents_say_what_became_of_the_file() -> None:
    found = documents(*UPLOADED, scan_of(FILE), RELEASE, CORRUPT)
    version, model = found.changed_versions["v1.0"], found.model
    assert model is not None
    for document in (version, model):
        assert document["scan"] == {
            "verdict": "dangerous",
            "format": "pickle",
            "findings": [{"severity": "dangerous", "code": "gadget", "where": "data.pkl@12", "text": "os.system"}],
            "scanner": "tensorfleet 1",
            "scanned_at": 3,
            "released": True,
        }
        assert (document["corrupt"], document["updated_at"]) == (True, 5)
    assert by_verdict("dangerous") in model["facets"]


def test_the_model_says_what_became_of_the_file_of_its_newest_version() -> None:
    before = documents(*UPLOADED)
    assert before.model is not None and before.model["scan"]["verdict"] == "unscanned"
    assert by_verdict("unscanned") in before.model["facets"]
    after = documents(*UPLOADED, c.CreateVersion(), scan_of(FILE), CORRUPT)
    assert after.model is not None and after.changed_versions["v1.0"]["corrupt"]
    assert (after.model["file"], after.model["scan"], after.model["corrupt"]) == (None, None, False)
    assert not any(one.startswith("v:") for one in after.model["facets"])
    back = documents(*UPLOADED, c.CreateVersion(), scan_of(FILE), CORRUPT, c.DeleteVersion(SECOND))
    assert back.model is not None and back.model["corrupt"] and back.model["scan"]["verdict"] == "dangerous"
    again = documents(*UPLOADED, scan_of(FILE), RELEASE, scan_of(FILE, rules=2), CORRUPT, REPAIRED)
    assert again.model is not None and (again.model["scan"]["released"], again.model["corrupt"]) == (True, False)
    other = documents(*UPLOADED, scan_of(FILE), RELEASE, scan_of(FILE, ScanVerdict.SUSPICIOUS))
    assert other.model is not None and other.model["scan"]["released"] is False


def test_a_release_without_a_verdict_changes_nothing_wherever_it_is_folded() -> None:
    event, found = e.ArtifactReleased("v1.0", FILE.checksum, "early"), documents(*UPLOADED)
    found.apply(envelope(event, sequence=3), Position(0, 3), bytes(32))
    assert found.model is not None and found.model["scan"]["released"] is False
    assert scan(evolve(given(*UPLOADED), event)) is None
