"""What each command does to a model: given some commands, when one more comes, then this event or this rejection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.decider import decide
from tensorfleet.domain.errors import (
    InvalidCommand,
    LastVersion,
    ModelNotFound,
    NameTaken,
    RegistryError,
    VersionHasFile,
    VersionNotFound,
)
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.model import INITIAL, LiveModel, Model
from tensorfleet.domain.versions import ModelVersion
from tests.builders import MODEL_ID, NAME, blob, given, registration

V1, V11, V2 = ModelVersion(1, 0), ModelVersion(1, 1), ModelVersion(2, 0)


def then(command: c.Command, model: Model) -> e.Event | None:
    return decide(command, model, MODEL_ID)


def test_a_registration_makes_version_one() -> None:
    event = then(registration(tags=("a",)), INITIAL)
    assert isinstance(event, e.ModelRegistered)
    assert (event.version, event.algorithm, event.tags) == ("v1.0", "svm", ("a",))


def test_a_live_name_can_not_be_registered_again() -> None:
    with pytest.raises(NameTaken):
        then(registration(), given(registration()))


def test_a_deleted_name_registered_again_starts_at_the_next_major_number() -> None:
    model = given(registration(), c.CreateVersion(), c.DeleteModel(), registration())
    assert isinstance(model, LiveModel)
    assert list(model.versions) == [V2]


def test_a_restored_model_is_what_it_was() -> None:
    before = given(registration(tags=("a",)), c.AttachFile(blob()))
    assert given(registration(tags=("a",)), c.AttachFile(blob()), c.DeleteModel(), c.RestoreModel()) == before


@pytest.mark.parametrize(
    "command",
    [c.UpdateModel(c.ModelFields(algorithm="x")), c.CreateVersion(), c.ArchiveModel(), c.DeleteModel()],
)
def test_what_was_never_registered_or_is_deleted_takes_no_command(command: c.Command) -> None:
    for model in (INITIAL, given(registration(), c.DeleteModel())):
        with pytest.raises(ModelNotFound):
            then(command, model)


def test_version_numbers_are_never_used_again() -> None:
    model = given(registration(), c.CreateVersion(), c.DeleteVersion(V11), c.CreateVersion())
    assert isinstance(model, LiveModel)
    assert [str(number) for number in model.versions] == ["v1.0", "v1.2"]


def test_a_version_inherits_everything_but_the_file() -> None:
    model = given(
        c.RegisterModel(NAME, c.ModelFields(algorithm="svm"), c.VersionFields({"a": 1, "b": 2}, {"m": 1}, {"d": 1})),
        c.AttachFile(blob()),
        c.CreateVersion(version_fields=c.VersionFields(hyperparameters={"a": None, "c": 3})),
    )
    assert isinstance(model, LiveModel)
    newest = model.newest
    assert (newest.hyperparameters, newest.metrics, newest.file) == ({"b": 2, "c": 3}, {"m": 1}, None)
    assert model.newest_with_file == V1


def test_what_is_already_so_emits_nothing() -> None:
    model = given(registration(), c.AttachFile(blob()), c.DeprecateModel("why"))
    assert then(c.DeprecateModel("why"), model) is None
    assert then(c.AttachFile(blob()), model) is None
    assert then(c.UpdateModel(c.ModelFields(algorithm="svm")), model) is None
    assert then(c.RestoreModel(V1), model) is None
    assert then(c.DeprecateModel("other words"), model) is not None


def test_one_and_one_point_nought_and_true_are_different_values() -> None:
    model = given(c.RegisterModel(NAME, c.ModelFields(algorithm="a"), c.VersionFields(hyperparameters={"x": 1})))
    for value in (1.0, True):
        patch = c.VersionFields(hyperparameters={"x": value})
        assert then(c.UpdateModel(version_fields=patch), model) is not None


def test_a_file_never_changes() -> None:
    with pytest.raises(VersionHasFile):
        then(c.AttachFile(blob(b"other")), given(registration(), c.AttachFile(blob())))


def test_the_last_version_can_not_be_deleted() -> None:
    with pytest.raises(LastVersion):
        then(c.DeleteVersion(V1), given(registration()))


def test_deleting_the_newest_version_tells_what_is_newest_now() -> None:
    model = given(registration(), c.AttachFile(blob()), c.CreateVersion())
    assert then(c.DeleteVersion(V11), model) == e.ModelVersionDeleted("v1.1", "v1.0", "v1.0")


def test_a_model_field_of_one_version_is_refused() -> None:
    with pytest.raises(InvalidCommand):
        then(c.UpdateModel(c.ModelFields(tags=()), version=V1), given(registration()))


def test_a_version_that_is_not_there_is_not_found() -> None:
    with pytest.raises(VersionNotFound):
        then(c.ArchiveModel(V2), given(registration()))


NOW = 1_795_262_400_000_000
DAY = 24 * 3600 * 1_000_000


def test_a_report_is_about_the_newest_version_now_and_changes_nothing_else() -> None:
    model = given(registration(), c.CreateVersion())
    event = then(c.ReportMetrics({"loss": 0.5}, NOW), model)
    assert event == e.MetricsReported("v1.1", {"loss": 0.5}, None, NOW, "")
    assert evolve(model, event) == model
    same = c.ReportMetrics({"loss": 0.5}, NOW, NOW - DAY, 7, "training", V1)
    assert then(same, evolve(model, event)) == e.MetricsReported("v1.0", {"loss": 0.5}, 7, NOW - DAY, "training")


def test_reports_for_what_is_gone_are_not_found() -> None:
    gone = given(registration(), c.CreateVersion(), c.DeleteVersion(V11))
    for model, version, error in (
        (given(registration(), c.DeleteModel()), None, ModelNotFound),
        (gone, V11, VersionNotFound),
    ):
        with pytest.raises(error):
            then(c.ReportMetrics({"loss": 1}, NOW, version=version), model)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("metrics", {"metrics": {}}),
        ("metrics", {"metrics": {f"m{number}": 1 for number in range(501)}}),
        ("metrics", {"metrics": {"$ref": 1}}),
        ("metrics.x", {"metrics": {"x": float("nan")}}),
        ("step", {"step": -1}),
        ("step", {"step": 2**63}),
        ("recorded_at", {"recorded_at": -1}),
        ("recorded_at", {"recorded_at": NOW + DAY + 1}),
        ("source", {"source": "s" * 201}),
        ("source", {"source": "a\n"}),
    ],
)
def test_a_wrong_report_names_its_field(field: str, fields: dict[str, Any]) -> None:
    right: dict[str, Any] = {"metrics": {"loss": 1}, "reported_at": NOW, "recorded_at": NOW + DAY, "step": 2**63 - 1}
    assert then(c.ReportMetrics(**right), given(registration())) is not None
    with pytest.raises(InvalidCommand) as refused:
        then(c.ReportMetrics(**right | fields), given(registration()))
    assert [one.field for one in refused.value.errors] == [field]


NUMBERS = st.sampled_from([V1, V11, V2, ModelVersion(1, 2)])
MAPS = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-5, 5) | st.floats(-1, 1), max_size=3)
METRICS = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-5, 5), max_size=3)
VERSION_FIELDS = st.builds(c.VersionFields, st.none() | MAPS, st.none() | METRICS, st.none() | MAPS)
TEXT = st.none() | st.sampled_from(["", "a", "b", "\0"])
FIELDS = st.builds(c.ModelFields, TEXT, TEXT, TEXT, st.none() | st.just(("t",)), TEXT)
COMMANDS = st.one_of(
    st.builds(c.RegisterModel, st.just(NAME), FIELDS, VERSION_FIELDS),
    st.builds(c.UpdateModel, FIELDS, VERSION_FIELDS, st.none() | st.sampled_from(e.Status), st.none() | NUMBERS),
    st.builds(c.CreateVersion, st.booleans(), FIELDS, VERSION_FIELDS),
    st.builds(c.AttachFile, st.sampled_from([blob(b"1"), blob(b"2")]), st.none() | NUMBERS),
    st.builds(c.DeprecateModel, TEXT, st.none(), st.none() | NUMBERS),
    st.builds(c.ArchiveModel, st.none() | NUMBERS),
    st.builds(c.RestoreModel, st.none() | NUMBERS),
    st.just(c.DeleteModel()),
    st.builds(c.DeleteVersion, NUMBERS),
    st.builds(c.ReportMetrics, METRICS, st.just(NOW), version=st.none() | NUMBERS),
)


@settings(max_examples=300, deadline=None)
@for_all(st.lists(COMMANDS, max_size=30))
def test_any_history_folds_to_a_state_that_keeps_its_promises(history: list[c.Command]) -> None:
    model, highest = given(registration()), V1
    for command in history:
        try:
            event = decide(command, model, MODEL_ID)
        except RegistryError:
            continue
        if event is None:
            continue
        model = evolve(model, event)
        assert decide(command, model, MODEL_ID) is None if isinstance(command, c.AttachFile) else True
        live = model if isinstance(model, LiveModel) else model.was  # type: ignore[union-attr]
        assert list(live.versions) == sorted(live.versions) != []
        assert live.highest >= highest
        assert max(live.versions) <= live.highest
        if isinstance(event, e.ModelVersioned | e.ModelRegistered):
            assert live.highest > highest
        highest = live.highest
