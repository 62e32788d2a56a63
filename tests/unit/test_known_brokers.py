"""What clients tell of brokers and of errors. tests/faults/test_forgotten_brokers.py has a real client."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import Complaints, noticing

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


def unanswered(complaints: Complaints, code: int) -> str:
    error = KafkaException(KafkaError(code, "its own words"))
    return complaints.explained(cast(AdminClient, SimpleNamespace(poll=lambda _: 0)), error).detail


def test_a_complaint_explains_that_there_was_no_answer_and_nothing_else() -> None:
    complaints = Complaints()
    hear = complaints.heard_from({})["error_cb"]
    hear(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))
    hear(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all down"))
    assert unanswered(complaints, KafkaError._TRANSPORT) == "Kafka does not answer: wrong password"
    assert unanswered(complaints, KafkaError._TRANSPORT) == "Kafka does not answer: its own words"
    hear(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    assert unanswered(complaints, KafkaError.INVALID_REPLICATION_FACTOR) == "Kafka does not answer: its own words"
    hear(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    complaints.forget(cast(AdminClient, SimpleNamespace(poll=lambda _: 0)))
    assert unanswered(complaints, KafkaError._TIMED_OUT) == "Kafka does not answer: its own words"
