"""Version numbers of a model: `v1.0`, `v2.1`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand

_FORM = re.compile(r"v(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ModelVersion:
    major: int
    minor: int

    @classmethod
    @lru_cache(maxsize=4096)  # a fold meets the same few numbers again and again
    def parse(cls, text: str, field: str = "version") -> ModelVersion:
        match = _FORM.fullmatch(text)
        if match is None:
            raise InvalidCommand.of(field, "is not a version like v1.0")
        version = cls(int(match[1]), int(match[2]))
        if max(version.major, version.minor) > limits.VERSION_NUMBER:
            raise InvalidCommand.of(field, "has a number that is too large")
        return version

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"

    @property
    def order(self) -> int:
        """One integer that sorts as the version does."""
        return self.major << 32 | self.minor

    def next(self, *, breaking: bool) -> ModelVersion:
        return ModelVersion(self.major + 1, 0) if breaking else ModelVersion(self.major, self.minor + 1)


FIRST = ModelVersion(1, 0)
