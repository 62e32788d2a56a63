"""What comes from outside begins no line of the log, and reaches no terminal as an order."""

from __future__ import annotations

import json
import logging
from io import StringIO

import pytest

from tensorfleet.log_lines import JsonLines, TextLines

FORGED = "x\n2026-11-21 22:00:00,000 INFO audit: all is well"
HOSTILE = [
    FORGED,
    FORGED.replace("\n", "\r"),
    "\x1b[2J\x1b]0;t\x07",
    "\x9b31m",
    "a\u2028b\x85c",
    "\u202egnp.exe",
    "\ud800",
    "\0",
]
PLAIN = 'Größe "7" \\n \N{SNOWMAN} 模型'


def written(form: logging.Formatter, text: str) -> str:
    """A message and an error with `text` in them, as they reach the log."""
    stream = StringIO()
    handler, logger = logging.StreamHandler(stream), logging.Logger("registry")
    handler.setFormatter(form)
    logger.addHandler(handler)
    logger.warning("the model %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed on %r", "it")
    return stream.getvalue()


@pytest.mark.parametrize("text", [*HOSTILE, PLAIN], ids=ascii)
def test_lines_can_not_be_forged(text: str) -> None:
    """Read as a terminal would: at every kind of line end, and every character that is not shown."""
    lines = written(TextLines(), text).removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    heads = [line for line in lines if not line.startswith("  | ")]
    assert len(heads) == 2 and "WARNING registry: the model " in heads[0] and "failed on 'it'" in heads[1]
    assert lines.index(heads[1]) == 1 and any("ValueError" in line for line in lines[2:])
    members = [json.loads(line) for line in written(JsonLines(), text).splitlines()]
    assert [one["message"] for one in members] == [f"the model {text}", "failed on 'it'"]


def test_what_is_harmless_stays_readable() -> None:
    assert PLAIN in written(TextLines(), PLAIN).split("\n")[0]
