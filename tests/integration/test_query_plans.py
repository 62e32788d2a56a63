"""What MongoDB does for each shape of a list: which index it takes, and how many keys it looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from services.query_api.lists.filters import filters_of
from services.query_api.lists.ordering import ordering_of
from services.query_api.lists.searching import search_query, words_asked
from services.query_api.lists.selection import Query, Slice, model_query, paged
from tensorfleet.http.query_parameters import QueryParameters
from tensorfleet.mongo.cut import Cut
from tensorfleet.mongo.past import PastReadModels
from tensorfleet.mongo.read_models import ReadModels, ensure_indexes
from tensorfleet.projection.facets import facets_of
from tensorfleet.projection.search_entries import search_entry
from tests.integration.query_world import NOW, model_document

MODELS, LIMIT = 3_000, 20
Document = dict[str, Any]


@pytest.fixture(scope="module")
def database(mongodb_url: str) -> Iterator[Database[Document]]:
    """Of every six models, one is deleted; their times, names and facets have nothing to do with each other."""
    with MongoClient[Document](mongodb_url) as client:
        one = client["query_plans"]
        ensure_indexes(one)
        models = [some_model(number) for number in range(MODELS)]
        one.models.insert_many(models)
        one.search.insert_many([entry for model in models if (entry := search_entry(model))])
        yield one
        client.drop_database("query_plans")


def some_model(number: int) -> Document:
    model = model_document(f"{number * 7919 % MODELS:04d}_model")
    model |= {
        "algorithm": ("xgboost", "svm", "resnet")[number % 3],
        "status": ("active", "active", "archived", "deprecated")[number // 3 % 4],
        "created_by": f"author{number % 5}",
        "tags": [f"tag{number % 7}", *(["rare"] if number % 35 == 0 else ["prod"] if number % 2 else [])],
        "created_at": NOW + number * 104_729 % 1_000_003,
        "updated_at": NOW + number * 15_485_863 % 1_000_003,
        "metrics": {"accuracy": number % 1000 / 1000, "odd.name": number},
        "deleted": number % 6 == 5,
    }
    return {**model, "facets": facets_of(model)}


def explained(database: Database[Document], query: Query, page: Slice) -> tuple[Document, str]:
    """The statistics of the first stage's execution, and the whole plan as text."""
    return explained_stages(database, query.collection, paged(query, page, MODELS))


def explained_stages(database: Database[Document], collection: str, stages: Sequence[Any]) -> tuple[Document, str]:
    command = {"aggregate": collection, "pipeline": list(stages), "cursor": {}}
    plan = database.command("explain", command, verbosity="executionStats")
    plan = plan["stages"][0]["$cursor"] if "stages" in plan else plan
    return plan["executionStats"], str(plan["queryPlanner"]["winningPlan"])


def queries(given: dict[str, str]) -> Query:
    parameters = QueryParameters(given)
    return model_query(filters_of(parameters), ordering_of(parameters))


FILTERS: list[dict[str, str]] = [
    {},
    {"algorithm": "svm"},
    {"status": "archived"},
    {"algorithm": "svm", "status": "active"},
    {"created_by": "author3"},
    {"tags": "prod"},
    {"tags": "tag1,tag2,tag3"},
    {"all_tags": "rare,tag0"},
    {"filter": "algorithm = 'svm' AND status = 'active'"},
    {"filter": "tags = 'prod'"},
]
INDEX = {"created_at": "facet_newest", "updated_at": "facet_updated", "name": "facet_name"}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", INDEX)
@pytest.mark.parametrize("given", FILTERS, ids=str)
def test_a_page_looks_at_twice_as_many_keys_as_it_has_rows_at_most(
    database: Database[Document], given: dict[str, str], sort: str, order: str
) -> None:
    query = queries({**given, "sort": sort, "order": order})
    first = list(database.models.aggregate(list(paged(query, Slice(LIMIT, 1, None), MODELS))))
    assert len(first) == LIMIT + 1
    for place in (None, query.ordering.place(first[LIMIT - 1])):
        found, plan = explained(database, query, Slice(LIMIT, 1, place))
        ranges = len(given.get("tags", "").split(","))
        assert found["totalKeysExamined"] <= 2 * found["nReturned"] + ranges, plan
        assert found["totalDocsExamined"] <= 2 * found["nReturned"] + ranges, plan
        assert f"'{INDEX[sort]}'" in plan
        assert "'SORT'" not in plan and "COLLSCAN" not in plan


@pytest.mark.parametrize("given", [{}, {"algorithm": "svm"}, {"tags": "prod"}], ids=str)
def test_a_page_of_the_past_is_met_in_the_order_of_registration(
    database: Database[Document], given: dict[str, str]
) -> None:
    """Most of what holds now held then; what was registered since is not looked at."""
    then = NOW + 600_000
    past = PastReadModels(cast(ReadModels, SimpleNamespace(_live=None)), Cut(dict.fromkeys(range(6), 10**9), 6, then))
    query = model_query(filters_of(QueryParameters(given)), ordering_of(QueryParameters({})), "then")
    stages = asyncio.run(past._of_both("models", paged(query, Slice(LIMIT, 1, None), MODELS)))
    found, plan = explained_stages(database, "models", stages)
    assert found["nReturned"] == LIMIT + 1
    assert found["totalKeysExamined"] <= 2 * found["nReturned"], plan
    assert "'facet_newest'" in plan and "'SORT'" not in plan and "COLLSCAN" not in plan


@pytest.mark.parametrize(
    "given", [{}, {"algorithm": "svm"}, {"algorithm": "svm", "status": "active"}, {"tags": "rare"}]
)
def test_the_total_of_one_facet_is_not_counted(given: dict[str, str]) -> None:
    assert queries(given).counted_facet is not None
    assert queries({**given, "created_by": "ada", "tags": "prod"}).counted_facet is None
    assert queries({**given, "min_metric.f1": "0"}).counted_facet is None


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({"filter": "name LIKE '001%'", "sort": "name"}, "facet_name"),
        ({"filter": "name IN ('0011_model', '0012_model')", "sort": "name"}, "facet_name"),
        ({"filter": "created_at >= '2026-11-21T17:00:00.900000Z'"}, "facet_newest"),
        ({"filter": "updated_at < '2026-11-21T17:00:00.100000Z'", "sort": "updated_at"}, "facet_updated"),
    ],
)
def test_a_range_of_what_is_sorted_by_is_one_of_the_index(
    database: Database[Document], given: dict[str, str], index: str
) -> None:
    query = queries(given)
    total = next(database.models.aggregate([*query.chosen, {"$count": "total"}]))["total"]
    found, plan = explained(database, query, Slice(LIMIT, 1, None))
    assert 0 < found["nReturned"] <= LIMIT + 1
    assert found["totalKeysExamined"] <= 2 * found["nReturned"] + 2, plan
    assert f"'{index}'" in plan and total < MODELS / 5


def test_a_metric_is_looked_for_within_the_facet_that_comes_with_it(database: Database[Document]) -> None:
    query = queries({"tags": "rare", "min_accuracy": "0.5"})
    found, plan = explained(database, query, Slice(100, 1, None))
    rare = database.models.count_documents({"facets": "t:rare"})
    assert found["totalKeysExamined"] <= rare and "facet_newest" in plan


def test_few_models_with_a_metric_among_all_are_found_without_an_index_and_many_in_the_order_of_one(
    database: Database[Document],
) -> None:
    query, page = queries({"min_metric.accuracy": "0.5"}), Slice(LIMIT, 1, None)
    assert query.walked is not None
    assert paged(query, page, 10)[0] == query.chosen[0] and paged(query, page, MODELS)[0] == query.walked[0]
    found, plan = explained(database, query, page)
    assert "facet_newest" in plan and found["totalKeysExamined"] < 10 * LIMIT
    rows = [list(database.models.aggregate(list(paged(query, page, total)))) for total in (10, MODELS)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("words", ["0017", "001 model", "tag3 0017", "rare svm"])
def test_a_search_looks_at_the_ranges_of_its_rarest_word(database: Database[Document], words: str) -> None:
    parameters = QueryParameters({"q": words})
    query = search_query(words_asked(parameters), filters_of(parameters), ordering_of(parameters, by_score=True))
    found, plan = explained(database, query, Slice(100, 1, None))
    assert found["totalKeysExamined"] <= 2 * found["nReturned"] + 10 * len(words.split()), plan
    assert "'words'" in plan and "COLLSCAN" not in plan and found["nReturned"] < MODELS / 20
