"""Which way a metric is better: by its name, or as the client says."""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.query_parameters import Parameter, QueryParameters

LOWER_IS_BETTER: Final = Parameter(
    "lower_is_better", "Metrics, with commas between them, of which less is better, whatever their names say."
)
HIGHER_IS_BETTER: Final = Parameter(
    "higher_is_better", "Metrics, with commas between them, of which more is better, whatever their names say."
)
_MOST_NAMES: Final = 500
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LOWER_ENDINGS: Final = ("loss", "error", "errors", "entropy", "divergence")
_ERRORS: Final = ("mse", "rmse", "mae", "medae", "mape", "smape", "msle", "rmsle", "wer", "cer", "fpr", "fnr")
_COSTS: Final = ("time", "latency", "duration", "seconds", "ms", "cost", "memory")
_LOWER_WORDS: Final = frozenset((*_ERRORS, *_COSTS, "brier", "perplexity", "ppl", "deviance"))


def lower_is_better(metric: str) -> bool:
    """Whether one of the words in the name is such a word; `val_loss` and `valLoss` have the same two words."""
    words = [word.lower() for word in _WORD.findall(metric)]
    return any(word in _LOWER_WORDS or word.endswith(_LOWER_ENDINGS) for word in words)


class Directions:
    """InvalidCommand if the client says both of one metric."""

    def __init__(self, parameters: QueryParameters) -> None:
        self._lower = set(parameters.entries(LOWER_IS_BETTER.name, _MOST_NAMES))
        self._higher = set(parameters.entries(HIGHER_IS_BETTER.name, _MOST_NAMES))
        if self._lower & self._higher:
            raise InvalidCommand.of(LOWER_IS_BETTER.name, f"names a metric that is in {HIGHER_IS_BETTER.name} too")

    def is_lower_better(self, metric: str) -> bool:
        return metric in self._lower or (metric not in self._higher and lower_is_better(metric))
