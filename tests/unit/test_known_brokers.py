"""What a client's statistics say of the brokers it knows. tests/faults/test_forgotten_brokers.py has a real one."""

from __future__ import annotations

import json

import pytest

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import noticing

COORDINATOR = {"GroupCoordinator": {"source": "logical", "state": "INIT"}}


def statistics(**brokers: dict[str, str]) -> str:
    return json.dumps({"type": "consumer", "brokers": brokers})


def test_a_client_without_brokers_is_of_no_use() -> None:
    tell = noticing({})["stats_cb"]
    tell(statistics(**COORDINATOR))
    with pytest.raises(LogUnavailable, match="forgotten"):
        tell(statistics(**COORDINATOR))


@pytest.mark.parametrize("source", ["configured", "learned"])
def test_a_broker_that_is_down_is_known(source: str) -> None:
    tell = noticing({})["stats_cb"]
    for _ in range(5):
        tell(statistics(one={"source": source, "state": "DOWN"}, **COORDINATOR))


def test_none_for_a_moment_is_no_news() -> None:
    tell = noticing({})["stats_cb"]
    for _ in range(5):
        tell(statistics())
        tell(statistics(one={"source": "configured", "state": "INIT"}))


def test_each_client_counts_for_itself() -> None:
    one, other = noticing({})["stats_cb"], noticing({})["stats_cb"]
    one(statistics())
    other(statistics())
    with pytest.raises(LogUnavailable):
        one(statistics())
