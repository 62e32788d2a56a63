"""Unicode normalisation in a time that does not grow with the square of the length.

Marks on a letter have an order of their own. `unicodedata` puts them in it by moving each past all others, so that a
megabyte of them takes hours; here they are sorted before. The outcome is the same.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final, Literal
from unicodedata import combining, normalize

Form = Literal["NFC", "NFKD"]
_DECOMPOSED: Final[dict[Form, Literal["NFD", "NFKD"]]] = {"NFC": "NFD", "NFKD": "NFKD"}
_MOST_OF_ONE: Final = 4
"""Characters that NFC makes one of, at most."""
_MANY_MARKS: Final = re.compile(r"(?:[^\w\s\x00-\x7f]|[\uff9e\uff9f]){32,}")
"""No mark is a letter to a regular expression, but for two of kana, which become marks in NFKD."""


def normalized(form: Form, text: str) -> str:
    """As `unicodedata.normalize`."""

    def in_order(signs: re.Match[str]) -> str:
        decomposed = "".join(normalize(_DECOMPOSED[form], one) for one in signs[0])
        runs = groupby(decomposed, key=lambda one: combining(one) > 0)
        return "".join("".join(sorted(run, key=combining) if marks else run) for marks, run in runs)

    return normalize(form, _MANY_MARKS.sub(in_order, text))


def composed(text: str, most_characters: int) -> str:
    """`text` in NFC; as it is, if it would have more than `most_characters` in any case."""
    return normalized("NFC", text) if len(text) <= _MOST_OF_ONE * most_characters else text
