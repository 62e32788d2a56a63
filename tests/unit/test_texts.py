"""Normalisation is that of Unicode, however many marks there are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorfleet.domain.texts import Form, composed, normalized

MARKS = "\u0301\u0323\u0344\u05b0\u05a7\u0f71\u0f73\u0f75\u0f81\u3099\uff9e\uff9f\u1dfa\U0001d165\U0001d16d"
OTHERS = "ae \u00e9\u1ec7\u00b4\u212b\u3131\u1112\u1161\uac00\ufb01\u00a8«\n\ud800"


PIECES = st.text(MARKS, min_size=20, max_size=60) | st.text(OTHERS, max_size=3)


@settings(max_examples=200)
@given(st.sampled_from(["NFC", "NFKD"]), st.lists(PIECES))
def test_many_marks_are_put_in_the_same_order(form: Form, pieces: list[str]) -> None:
    text = "".join(pieces)
    assert normalized(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize(
    ("first", "then"), [("\u0302", "\u0323"), ("\u0f71\u0f73", "\u0f71"), ("\u05a7", "\uff9e"), ("\u0344", "\u0323")]
)
def test_many_thousand_marks_take_no_time_worth_mentioning(first: str, then: str) -> None:
    text = "e" + first * 150_000 + then * 150_000
    classes = [unicodedata.combining(one) for one in normalized("NFKD", text)]
    assert classes == sorted(classes)
    assert composed(text, 200) == text
