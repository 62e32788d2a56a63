"""Names and version numbers: canonical forms, ids, and the names made for nameless models."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.names import canonical_name, model_id_of, partition_of, semantic_name
from tensorfleet.domain.versions import ModelVersion

DAY = datetime(2024, 12, 16, tzinfo=UTC)


def test_equal_names_are_one_name() -> None:
    assert canonical_name("  cafe\u0301 ") == "caf\u00e9"


def test_a_name_counts_as_long_as_it_is_when_it_is_composed() -> None:
    assert canonical_name("e\u0323\u0302" * 200) == "\u1ec7" * 200
    with pytest.raises(InvalidCommand, match="201 characters"):
        canonical_name("e\u0323\u0302" * 201)


@pytest.mark.parametrize("name", ["", "  ", "a\0", "a\n", "\ud800", "n" * 201, "\x85"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidCommand):
        canonical_name(name)


def test_ids_and_partitions_are_fixed_for_ever() -> None:
    assert model_id_of("churn_rf") == "da36503e866c4b92567ac694"
    assert partition_of("da36503e866c4b92567ac694", 6) == 0xDA36503E % 6 == 0


@pytest.mark.parametrize(
    ("algorithm", "metrics", "name"),
    [
        ("RandomForest", {"test_accuracy": 0.952, "accuracy": 1.0}, "RandomForest_95.2%_Dec16"),
        ("random_forest", {"accuracy": 0.9}, "RandomForest_90.0%_Dec16"),
        ("svm", {"r2": 0.4}, "Svm_Dec16"),
        ("svm", {"accuracy": 95}, "Svm_Dec16"),
        ("!!!", {}, "Model_Dec16"),
    ],
)
def test_a_semantic_name_tells_algorithm_accuracy_and_day(
    algorithm: str, metrics: dict[str, int | float], name: str
) -> None:
    assert semantic_name(algorithm, metrics, DAY) == name


@pytest.mark.parametrize("text", ["1.0", "v1", "v01.0", "v1.0 ", "v-1.0", "v1.0.0", "v\u0661.0", "v9999999999.0"])
def test_a_bad_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidCommand):
        ModelVersion.parse(text)


def test_versions_sort_as_numbers() -> None:
    versions = [ModelVersion.parse(text) for text in ("v1.10", "v1.9", "v10.0", "v2.0")]
    assert [str(one) for one in sorted(versions)] == ["v1.9", "v1.10", "v2.0", "v10.0"]
    assert sorted(versions) == sorted(versions, key=lambda one: one.order)
