"""Lines of the log that text from outside can't forge: it begins no line, and gives a terminal no orders."""

from __future__ import annotations

import json
import logging
import traceback

_CONTINUED = "  | "


def printable(text: str) -> str:
    """`text` with all that is no printable character escaped: line ends, ANSI escapes, marks of direction."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line)


class TextLines(logging.Formatter):
    """One line a message; of an error, its trace in lines that begin with a bar."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.formatTime(record)} {record.levelname} {record.name}: "
        lines = [head + printable(record.getMessage())]
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).split("\n")
            lines += [_CONTINUED + printable(one) for one in trace if one]
        return "\n".join(lines)
