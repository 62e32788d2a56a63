"""The language of `filter=`: what it takes, where it points when it does not, and what reaches MongoDB."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.query_api.lists.filter_language import compiled
from services.query_api.lists.filter_language.patterns import expression_of
from services.query_api.lists.filter_language.syntax import FilterInvalid

WRONG = [
    ("a == 1", 4, "unexpected text where a value"),
    ("name = 'x' OR", 14, "the filter ends where"),
    ("name = 'x", 8, "this quote is not closed"),
    ("(name = 'x'", 12, "the filter ends where )"),
    ("name = 'x')", 11, "unexpected text where the end"),
    ("name = 'x' tags = 'y'", 12, "unexpected text where AND or OR"),
    ("name", 5, "the filter ends where"),
    ("   ", 1, "the filter ends where"),
    ("name = 'a\\qb'", 10, "no such escape"),
    ("name = 5", 8, "name is compared with text"),
    ('name = "x"', 8, "unexpected text where a value"),
    ("name IN ()", 10, "unexpected text where a value"),
    ("name LIKE 5", 11, "unexpected text where a value"),
    ("owner = 'x'", 1, "no such field; there are name"),
    ("_id = 'x'", 1, "no such field"),
    ("$where = 'x'", 1, "unexpected text where"),
    ("name.first = 'x'", 1, "name has no parts"),
    ("metrics = 1", 1, "write metrics.<name>"),
    ("metrics.a.b = 1", 10, "unexpected text where"),
    ("metrics.`` = 1", 9, "this quote is not closed"),
    ("metrics.`$ref` = 1", 9, "reserved"),
    ("metrics.`" + "m" * 201 + "` = 1", 9, "has 201 characters"),
    ("metrics.a = '1'", 13, "a metric is compared with a number"),
    ("metrics.a = true", 13, "a metric is compared with a number"),
    ("metrics.a LIKE '1'", 1, "metrics holds no text"),
    ("metrics.a = 1_0", 13, "unexpected text"),
    ("metrics.a = 0x10", 13, "unexpected text"),
    ("metrics.a = NaN", 13, "unexpected text"),
    ("metrics.a = 1e999", 13, "not a finite number"),
    ("metrics.a = 9223372036854775808", 13, "an integer beyond 64 bits"),
    ("metrics.a = " + "9" * 1900, 13, "an integer beyond 64 bits"),
    ("metrics.a = ٣", 13, "unexpected text"),
    ("status = 'gone'", 10, "status is one of active, deprecated, archived"),
    ("status < 'b'", 1, "status takes ="),
    ("tags > 'b'", 1, "tags takes ="),
    ("created_at > '2026-11-21'", 14, "a time is written as"),
    ("created_at > '2026-13-21T17:00:00Z'", 14, "there is no such time"),
    ("version >= '2'", 12, "a version is written as"),
    ("NOT " * 25 + "name = 'x'", 101, "nested more than 20 deep"),
    (" OR ".join(["name = 'x'"] * 51), 701, "more than 50 comparisons"),
    ("name IN (" + ",".join(["'x'"] * 101) + ")", 410, "more than 100 values"),
    ("name = '" + "x" * 2000 + "'", 2001, "is longer than 2000 characters"),
    ("name\n=\n 5", 9, "name is compared with text"),
]


@pytest.mark.parametrize(("text", "position", "message"), WRONG, ids=[one[0][:30] for one in WRONG])
def test_what_is_wrong_is_said_with_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterInvalid) as raised:
        compiled(text)
    [error] = raised.value.errors
    assert (error.field, error.position) == ("filter", position)
    assert message in error.message
    _, line, caret = raised.value.detail.rsplit("\n", 2)
    at = text[position - 1 : position].strip()
    assert line[len(caret) - 1 : len(caret)].strip() == at


def test_nothing_but_what_every_model_has_and_plain_names_becomes_a_path() -> None:
    hostile = ["$where", "a.b", "a$b", "x y", "метрика", "\\`", "$$ROOT"]
    for name in hostile:
        quoted = name.replace("\\", "\\\\").replace("`", "\\`")
        [metric] = compiled(f"metrics.`{quoted}` > 0.5").conditions
        [member] = compiled(f"NOT hyperparameters.`{quoted}` LIKE '%$where%'").conditions
        assert set(metric) == {"$expr"} and set(member["$nor"][0]) == {"$expr"}
        assert {"$literal": name} in _values(metric) and {"$literal": name} in _values(member)
    assert compiled("metrics.`f1-macro` > 0.5").conditions == ({"metrics.f1-macro": {"$gt": 0.5}},)
    assert compiled('name = \'{"$gt": ""}\'').conditions == ({"name": {"$eq": '{"$gt": ""}'}},)


def test_equalities_that_all_must_hold_are_facets() -> None:
    found = compiled("algorithm = 'svm' AND (tags = 'a' AND (tags = 'b' OR status = 'active')) AND created_by = 'x'")
    assert found.facets == ("a:svm", "t:a", "c:x")
    assert found.conditions == ({"$or": [{"tags": {"$eq": "b"}}, {"status": {"$eq": "active"}}]},)
    assert compiled("NOT algorithm = 'svm'").facets == compiled("algorithm = 'svm' OR tags = 'a'").facets == ()


def matches(raw: str, text: str) -> bool:
    expression = expression_of(raw).replace(r"\z", r"\Z")  # as Python calls it
    return re.search(expression, text, re.DOTALL) is not None


@settings(max_examples=1_000)
@given(st.text("ab%_", max_size=5), st.text("ab\n", max_size=5))
def test_a_pattern_matches_as_if_every_place_were_tried(raw: str, text: str) -> None:
    reference = raw.replace("%", ".*").replace("_", ".")
    assert matches(raw, text) == (re.fullmatch(reference, text, re.DOTALL) is not None)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("50\\%", "50%"),
        ("a\\_b", "a_b"),
        ("it''s", "it's"),
        ("\\'\\\\", "'\\"),
        (".*", ".*"),
        ("(a", "(a"),
        ("a\\nb", "a\nb"),
    ],
)
def test_an_escaped_character_stands_for_itself(raw: str, text: str) -> None:
    assert matches(raw, text)
    assert not matches(raw, text.replace("%", "x").replace("_", "x").replace(".", "x") + "x")


def test_a_pattern_with_many_wildcards_does_not_try_every_place() -> None:
    """Without atomic groups this would run for longer than anybody waits."""
    assert not matches("%" + "a%" * 60 + "b", "a" * 5_000)


def _values(node: object) -> list[object]:
    below = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    return [node, *(value for one in below for value in _values(one))]
