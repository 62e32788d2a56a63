"""LIKE patterns as regular expressions that take time in proportion to the text, however many `%` they have.

`%` stands for any characters, `_` for one. What stands between two `%` is taken where it is found first, and never
looked for again: an atomic group keeps the matcher from trying other places, which could not help.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PART = re.compile(r"\\(?P<escaped>.)|(?P<quote>'')|(?P<wild>[%_])|(?P<plain>.)", re.DOTALL)
_SPACE = {"n": "\n", "t": "\t"}


def expression_of(raw: str) -> str:
    """`raw` is what stands between the quotes, escapes and all; for the whole text, with `.` for any character."""
    first, *others = _segments(raw)
    if not others:
        return rf"^{first}\z"
    *middle, last = others
    return "".join([f"^{first}", *(f"(?>.*?{one})" for one in middle if one), rf".*{last}\z" if last else ""])


def fixed_beginning(raw: str) -> bool:
    """Whether all that match begin with the same character, so that an index range holds them."""
    return bool(raw) and raw[0] not in "%_"


def _segments(raw: str) -> list[str]:
    """What stands between the `%`, as regular expressions."""
    found = [""]
    for part in _parts(raw):
        if part is None:
            found.append("")
        else:
            found[-1] += part
    return found


def _parts(raw: str) -> Iterator[str | None]:
    """Each character as a regular expression; None for `%`."""
    for match in _PART.finditer(raw):
        if match["escaped"] is not None:
            yield re.escape(_SPACE.get(match["escaped"], match["escaped"]))
        elif match["quote"] is not None:
            yield "'"
        elif match["wild"] is not None:
            yield None if match["wild"] == "%" else "."
        else:
            yield re.escape(match["plain"])
