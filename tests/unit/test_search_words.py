"""The words of texts in many languages, and the documents that the search makes of models."""

from __future__ import annotations

import pytest

from tensorfleet.projection.search_entries import MOST_DESCRIPTION_WORDS, name_words, search_entry
from tensorfleet.projection.words import joined, words_and_parts, words_of
from tests.integration.query_world import model_document


@pytest.mark.parametrize(
    ("name", "found", "not_found"),
    [
        (
            "RandomForest_95.2%_Dec16",
            ["rand", "randomforest", "forest", "95", "dec16", "dec", "randomforest95"],
            ["est"],
        ),
        ("XGBoost-v2", ["xgb", "boost", "v2", "xgboostv2"], ["oost"]),
        ("fraud detector", ["fraud", "DETECT", "Detector"], ["raud"]),
        ("Модель_Сегментации", ["модель", "СЕГМ", "модельсегм"], ["дель"]),
        ("深度学习模型", ["深", "学", "型", "学习", "深度学习", "习模型"], ["型模", "模学"]),
        ("ディープラーニング", ["ラーニ"], ["ニラ"]),
        ("การเรียนรู้", ["เรียน"], []),
        ("기계학습 모델", ["기계", "모델"], []),
        ("हिन्दी मॉडल", ["हिन्दी", "मॉ"], ["दी"]),
        ("Résumé Ångström", ["resume", "ångström", "ANGSTROM"], []),
        ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"], []),
    ],
)
def test_a_name_is_found_by_beginnings_and_parts(name: str, found: list[str], not_found: list[str]) -> None:
    def finds(question: str) -> bool:
        return all(any(word.startswith(one) for word in name_words(name)) for one in words_of(question))

    assert [one for one in found if not finds(one)] == []
    assert [one for one in not_found if finds(one)] == []


def test_a_text_of_hardly_anything_but_marks_is_put_in_order_in_no_time() -> None:
    assert words_of("e" + "\u0302" * 100_000 + "\u0323" * 100_000 + "a") == ["ea"]
    assert words_of("e" + "\u05a7" * 100_000 + "\uff9e" * 100_000)[:2] == ["e", "\u3099\u3099"]


def test_whole_words_and_compounds() -> None:
    assert words_of("Finds card_fraud; finds FRAUD!") == ["finds", "card", "fraud"]
    assert words_of(".*$%") == words_of("") == []
    assert joined("Random-Forest 2") == "randomforest2"
    assert set(words_and_parts("HTTPServer2go")) == {"httpserver2go", "http", "server", "2", "go"}
    assert words_of("w" * 100) == ["w" * 64]


def test_a_document_of_the_search_depends_on_the_model_alone_and_is_bounded() -> None:
    model = model_document("a b") | {"tags": ["x", "y"], "dataset_info": {"name": 5}, "facets": [""]}
    entry = search_entry(model | {"description": " ".join(f"w{number}" for number in range(5_000))})
    assert entry is not None and entry["words"] == sorted(entry["words"])
    assert sum(word.startswith("x") for word in entry["words"]) == MOST_DESCRIPTION_WORDS
    assert list(entry) == ["_id", "words", "facets", "created_at"]
    assert search_entry(model | {"deleted": True}) is None
