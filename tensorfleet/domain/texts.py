"""Unicode normalisation within bounds: of many marks in a row it takes time by the square of their number."""

from __future__ import annotations

from typing import Final
from unicodedata import normalize

DECOMPOSED: Final = 4
"""Characters that NFC makes one of, at most."""


def composed(text: str, most_characters: int) -> str:
    """`text` in NFC; as it is, if it has more than `most_characters` in any case: a megabyte of marks takes hours."""
    return normalize("NFC", text) if len(text) <= DECOMPOSED * most_characters else text
