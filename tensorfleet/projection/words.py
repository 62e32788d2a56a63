"""The words of a text, as the search knows them: the same for what is indexed and for what is asked.

Letters lose case, width and accents. Scripts that put no space between words (Chinese, Japanese, Thai and others) are
cut into pairs of neighbouring characters, so that any piece of two characters or more is found by its pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from unicodedata import category

from tensorfleet.domain.texts import normalized

WORD_CHARACTERS: Final = 64
"""A longer word counts as its beginning."""

_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_PIECE: Final = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")
_UNSPACED_FIRST: Final = re.compile(f"[{_UNSPACED}]")
_LOWER, _UPPER = "a-zα-ωа-я", "A-ZΑ-ΩА-Я"
_SEAM: Final = re.compile(
    rf"(?<=[{_LOWER}0-9])(?=[{_UPPER}])|(?<=[{_UPPER}])(?=[{_UPPER}][{_LOWER}])"
    rf"|(?<=[{_LOWER}{_UPPER}])(?=[0-9])|(?<=[0-9])(?=[{_LOWER}{_UPPER}])"
)


def words_of(text: str) -> list[str]:
    """In their order, without repeats; compounds as `RandomForest` stay whole."""
    return list(dict.fromkeys(word for piece in _pieces(_lettered(text)) for word in _words(piece)))


@lru_cache(4096)
def words_and_parts(text: str) -> tuple[str, ...]:
    """Also the parts of compounds, and what a compound is without its separators.

    `RandomForest_v2` has randomforest, random, forest, v2, v, 2 and randomforestv2.
    """
    found: dict[str, None] = {}
    for chunk in _lettered(text, keep_space=True).split(" "):
        pieces = list(_pieces(chunk))
        for piece in pieces:
            found |= dict.fromkeys(_words(piece))
            found |= dict.fromkeys(_folded(part) for part in _SEAM.split(piece) if not _UNSPACED_FIRST.match(piece))
        if len(pieces) > 1:
            found[_folded("".join(pieces))] = None
    return tuple(found)


def unspaced(word: str) -> bool:
    """Whether it is of a script that puts no space between words."""
    return _UNSPACED_FIRST.match(word) is not None


def joined(text: str) -> str:
    """The text as one word: its letters and digits, without what is between them."""
    return "".join(piece.casefold() for piece in _pieces(_lettered(text)))


class _Lettered(dict[int, int]):
    """For `str.translate`: letters, marks and digits stay; white space is a space; the rest parts what is around it."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        kept = code if category(character)[0] in "LMN" else ord(" ") if character.isspace() else ord("\t")
        self[code] = kept
        return kept


_TABLE: Final = _Lettered()


def _lettered(text: str, *, keep_space: bool = False) -> str:
    """Case is kept. White space is a space, whatever else parts words a tab; or both are spaces."""
    if not text.isascii():
        text = normalized("NFC", _ACCENTS.sub("", normalized("NFKD", text)))
    spaced = text.translate(_TABLE)
    return spaced if keep_space else spaced.replace("\t", " ")


def _pieces(lettered: str) -> Iterator[str]:
    return (match[0] for match in _PIECE.finditer(lettered))


def _words(piece: str) -> list[str]:
    if not unspaced(piece):
        return [_folded(piece)]
    return [*(piece[at : at + 2] for at in range(len(piece) - 1)), *([piece] if len(piece) == 1 else [])]


def _folded(word: str) -> str:
    return word.casefold()[:WORD_CHARACTERS]
