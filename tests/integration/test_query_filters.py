"""`filter=`, the words of a search, totals, and whatever else a query string may hold, over one registry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from tensorfleet.domain.names import model_id_of
from tensorfleet.mongo import read_models
from tests.integration.query_world import HOUR, NOT_SCANNED, NOW, World, walk, world

MODELS = "/api/v1/models"
SEARCH = "/api/v1/models/search"

SCANNED = {**NOT_SCANNED, "verdict": "dangerous"}
FIELDS = {
    "RandomForest_95.2%_Dec16": {
        "algorithm": "RandomForest",
        "tags": ["prod", "fraud"],
        "metrics": {"accuracy": 0.952, "f1 (macro)": 0.9, "n": 9007199254740993},
        "hyperparameters": {"depth": 12, "layers": [64, 128], "solver": "lbfgs", "lr.decay": 0.5, "warm": True},
    },
    "xgb_card": {
        "algorithm": "XGBoost",
        "created_by": "grace",
        "status": "archived",
        "metrics": {"accuracy": 0.91, "n": 9007199254740992},
        "description": "Finds fraud\nin card payments.",
        "created_at": NOW - 2 * HOUR,
        "scan": SCANNED,
    },
    "Модель_Сегментации": {"version": "v2.10", "version_order": (2 << 32) + 10, "tags": ["50%_off"], "framework": None},
    "深度学习模型": {"dataset_info": {"name": "ImageNet-1k"}, "updated_at": NOW, "tags": ["prod"]},
    "gone": {"deleted": True, "tags": ["prod"], "scan": SCANNED},
}
FOREST, XGB, SEGMENTS, DEEP, _ = FIELDS


@pytest.fixture(scope="module")
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        for name, fields in FIELDS.items():
            model = dict(fields)
            scan = {"v1.0": {"scan": model.pop("scan")}} if "scan" in model else {}
            version, order = model.pop("version", "v1.0"), model.pop("version_order", 1 << 32)
            one.model(name, **model, versions=[version], version_fields=scan)
            assert one.db.models.find_one({"name": name, "version_order": order})
        yield one


CONDITIONS = [
    ("metrics.accuracy >= 0.9 AND (tags = 'prod' OR algorithm LIKE 'XGB%') AND NOT status = 'archived'", [FOREST]),
    ("name = 'xgb_card'", [XGB]),
    ("name != 'xgb_card' and tags != 'prod'", [SEGMENTS]),
    ("name < 'a'", [FOREST]),
    ("tags IN ('fraud', '50%_off')", [FOREST, SEGMENTS]),
    ("NOT tags IN ('fraud', '50%_off')", [XGB, DEEP]),
    ("tags NOT IN ('fraud', '50%_off')", [XGB, DEEP]),
    ("tags = 'prod' AND tags = 'fraud'", [FOREST]),
    ("tags LIKE '50\\%\\_%'", [SEGMENTS]),
    ("tags LIKE '%50_off'", []),
    ("algorithm ILIKE 'xgb%' OR name ILIKE 'МОДЕЛЬ%'", [XGB, SEGMENTS]),
    ("algorithm LIKE 'xgb%'", []),
    ("description LIKE '%fraud%card%'", [XGB]),
    ("description LIKE 'Finds fraud\\nin%'", [XGB]),
    ("name LIKE '.*'", []),
    ("framework = 'scikit-learn' AND created_by = 'ada'", [FOREST, DEEP]),
    ("framework LIKE '%'", [FOREST, XGB, DEEP]),
    ("version >= 'v2.9'", [SEGMENTS]),
    ("created_at <= '2026-11-21T15:00:00Z'", [XGB]),
    ("updated_at >= '2026-11-21T18:00:00+01:00'", [DEEP]),
    ("metrics.accuracy > 0.91", [FOREST]),
    ("metrics.accuracy != 0.91", [FOREST, SEGMENTS, DEEP]),
    ("metrics.n = 9007199254740993", [FOREST]),
    ("metrics.`f1 (macro)` <= 0.9", [FOREST]),
    ("metrics.`f1 (macro)` IN (0.5, 0.9)", [FOREST]),
    ('NOT metrics."f1 (macro)" > 0', [XGB, SEGMENTS, DEEP]),
    ("hyperparameters.depth < 20 AND hyperparameters.layers = 128", [FOREST]),
    ("hyperparameters.depth < 'a'", []),
    ("hyperparameters.solver LIKE 'l%s' AND hyperparameters.warm = true", [FOREST]),
    ("hyperparameters.`lr.decay` = 0.5", [FOREST]),
    ("hyperparameters.`lr.decay` LIKE '%'", []),
    ('name = \'{"$gt": ""}\'', []),
    ("scan.verdict = 'dangerous'", [XGB]),
    ("scan.verdict IN ('safe', 'dangerous') OR name = 'x'", [XGB]),
    ("scan.verdict != 'dangerous'", [FOREST, SEGMENTS, DEEP]),
    ("scan.verdict ILIKE 'DANGER%'", [XGB]),
]


@pytest.mark.parametrize(("text", "names"), CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_a_filter_selects(registry: World, text: str, names: list[str]) -> None:
    answer = registry.get(f"{MODELS}?filter={quote(text)}").json
    assert {one["name"] for one in answer["models"]} == set(names)
    assert answer["pagination"]["total"] == len(names)


def test_a_wrong_filter_is_shown_with_a_caret_and_its_place(registry: World) -> None:
    for path in (f"{MODELS}?", f"{SEARCH}?q=x&"):
        problem = registry.get(f"{path}filter={quote('metrics.accuracy => 0.9')}")
        assert (problem.status, problem.json["code"]) == (422, "invalid")
        assert problem.json["detail"].endswith("\nmetrics.accuracy => 0.9\n                  ^")
        assert [(one["field"], one["position"]) for one in problem.json["errors"]] == [("filter", 19)]


def test_a_filter_goes_with_other_filters_and_orders_and_a_cursor_is_bound_to_it(registry: World) -> None:
    given = f"filter={quote('NOT status = ' + repr('archived'))}&created_by=ada&sort=name&limit=1"
    assert walk(registry, f"{MODELS}?{given}") == [FOREST, SEGMENTS, DEEP]
    cursor = registry.get(f"{MODELS}?{given}").json["pagination"]["next_cursor"]
    assert registry.get(f"{MODELS}?{given.replace('NOT', 'not')}&cursor={cursor}").status == 422


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("rand", [FOREST]),
        ("forest 95", [FOREST]),
        ("randomforest_95.2%_dec16", [FOREST]),
        ("orest", []),
        ("fraud", [FOREST, XGB]),
        ("fraud card", [XGB]),
        ("fraud nothing", []),
        ("XGBOOST", [XGB]),
        ("сегмент", [SEGMENTS]),
        ("学习", [DEEP]),
        ("深度学习", [DEEP]),
        ("习学", []),
        ("型", [DEEP]),
        ("imagenet 1k", [DEEP]),
        ("gone", []),
        ("%", []),
    ],
)
def test_a_search_finds_words_of_names_by_their_beginnings_and_all_others_whole(
    registry: World, words: str, names: list[str]
) -> None:
    found = registry.names(f"{SEARCH}?q={quote(words)}")
    assert found == names
    assert walk(registry, f"{SEARCH}?q={quote(words)}&limit=1") == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=fraud&tags=prod", [FOREST]),
        ("q=fraud&status=archived&algorithm=XGBoost", [XGB]),
        ("q=fraud&min_accuracy=0.95", [FOREST]),
        ("q=fraud&filter=name+LIKE+'x%25'", [XGB]),
        ("q=fraud&sort=name", [FOREST, XGB]),
        ("q=fraud&sort=name&order=desc", [XGB, FOREST]),
        ("q=fraud&sort=created_at&order=asc", [XGB, FOREST]),
        ("q=fraud&sort=metrics.accuracy&order=asc", [XGB, FOREST]),
        ("q=fraud&sort=download_count", [FOREST, XGB]),
        ("q=fraud&order=asc", [XGB, FOREST]),
    ],
)
def test_a_search_takes_filters_and_orders_and_says_how_well_each_model_matches(
    registry: World, query: str, names: list[str]
) -> None:
    answer = registry.get(f"{SEARCH}?{query}").json
    assert [one["name"] for one in answer["models"]] == names == walk(registry, f"{SEARCH}?{query}&limit=1")
    assert answer["pagination"]["total"] == len(names)
    assert all(one["score"] == {FOREST: 5, XGB: 1}[one["name"]] for one in answer["models"])


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 4),
        ("algorithm=XGBoost", 1),
        ("status=active", 3),
        ("algorithm=random_forest&status=active", 2),
        ("algorithm=XGBoost&status=active", 0),
        ("created_by=ada", 3),
        ("tags=prod", 2),
        ("tags=prod,fraud,50%25_off", 3),
        ("all_tags=prod,fraud", 1),
        ("filter=algorithm+%3D+'XGBoost'", 1),
        ("tags=nothing", 0),
    ],
)
def test_totals_are_exact_whether_counted_or_kept(registry: World, query: str, total: int) -> None:
    for page in (1, 2, 9):
        assert registry.get(f"{MODELS}?{query}&limit=2&page={page}").json["pagination"]["total"] == total


def test_what_would_look_through_too_much_is_refused_with_advice(
    registry: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = " OR ".join(f"metrics.`a b{number}` > 1" for number in range(40))
    expected = registry.get(f"{MODELS}?filter={quote(slow)}")
    assert expected.status == 200
    monkeypatch.setattr(read_models, "SCAN_MILLISECONDS", 1)
    number = registry.db.models.count_documents({})
    template = registry.db.models.find_one({"name": XGB}) or {}
    copies = [{**template, "_id": f"{index:024x}", "facets": []} for index in range(3_000)]
    registry.db.models.insert_many(copies)
    try:
        refused = registry.get(f"{MODELS}?filter={quote(slow)}")
        assert (refused.status, refused.json["code"]) == (422, "query-too-broad")
        assert "Narrow it down" in refused.json["detail"]
        assert registry.get(f"{MODELS}?algorithm=XGBoost").status == 200
    finally:
        registry.db.models.delete_many({"_id": {"$in": [one["_id"] for one in copies]}})
    assert registry.db.models.count_documents({}) == number


@pytest.mark.parametrize("given", ["", "&tags=t", "&min_metric.f1=0&filter=NOT+name+%3D+'x'"])
def test_no_gap_and_no_repeat_by_cursor_while_others_write(mongodb_url: str, given: str) -> None:
    """Models come, go and change between any two pages, in what is sorted by too; whoever stays is shown once."""
    staying = [f"stays {number:02d}" for number in range(12)]
    with world(mongodb_url) as one:
        for number, name in enumerate(staying):
            at = {"created_at": NOW + number, "updated_at": NOW + number}
            downloaded(one, one.model(name, tags=["t"], metrics=measured(number), **at), number % 4)
        passing: list[str] = []
        for sort, order in product(SORTS, ("asc", "desc")):
            query, cursor, seen = f"{MODELS}?limit=3&sort={sort}&order={order}{given}", "", list[str]()
            while cursor is not None:
                answer = one.get(query + (f"&cursor={cursor}" if cursor else "")).json
                seen += [model["name"] for model in answer["models"]]
                cursor = answer["pagination"]["next_cursor"]
                passing.append(f"passing {len(passing)}")
                at = {"created_at": NOW + len(seen), "updated_at": NOW + len(seen)}
                come = one.model(passing[-1], tags=["t"], metrics=measured(len(seen)), **at)
                downloaded(one, come, len(seen) % 4)
                changing, going = (model_id_of(passing[-number:][0]) for number in (2, 3))
                downloaded(one, changing, 2)
                moved = {"updated_at": NOW + 100, "metrics": measured(len(passing))}
                one.db.models.update_one({"_id": changing}, {"$set": moved})
                for collection in (one.db.download_counters, one.db.models):
                    collection.delete_one({"_id": going})
            stayed = sorted(name for name in seen if name in staying)
            assert stayed == staying, (query, seen)


SORTS = ("created_at", "updated_at", "name", "download_count", "metrics.f1", "metrics.g", quote("metrics.a b"))


def measured(number: int) -> dict[str, Any]:
    """Many are equal, and some have not all; a metric whose name is no path is sorted by what a stage computes."""
    return {"f1": number % 3, **({"g": number % 4, "a b": number % 2} if number % 5 else {})}


def downloaded(one: World, model_id: str, times: int) -> None:
    one.db.download_counters.update_one({"_id": model_id}, {"$inc": {"downloads": times}})
