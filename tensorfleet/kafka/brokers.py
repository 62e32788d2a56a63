"""Clients that are replaced when they no longer know any broker: librdkafka does not recover (its issue 5301).

A broker that is about to stop, and is the last one, answers that the cluster has none. The client then forgets all
brokers, and may miss the moment to begin again with those that it was configured with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tensorfleet.domain.errors import LogUnavailable

_SECONDS: Final = 2.0
_NO_ANSWER: Final = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})
_TIMES_SEEN: Final = 2
"""Between two steps of a client's beginning anew there may be no broker for a moment."""


def noticing(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` for one client, from whose `poll` LogUnavailable is raised once it has known no broker for some seconds.

    For clients that are polled all the time: what is to be told to others piles up in their memory. Such a client is of
    no further use; a new one begins with the configured brokers.
    """
    return {**config, "statistics.interval.ms": int(_SECONDS * 1000), "stats_cb": _KnownBrokers()}


class Complaints:
    """Why a client's connections to brokers end. What it raises tells only that there was no answer in time.

    A client tells when it is polled, and keeps what it has to tell until then.
    """

    def __init__(self) -> None:
        self._last: str | None = None

    def heard_from(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """`config` for a client whose complaints these are."""
        return {**config, "error_cb": self._hear}

    def explained(self, client: AdminClient, error: KafkaException) -> LogUnavailable:
        """For an error that `client` raised; with the last complaint, if it is that there was no answer."""
        client.poll(0)
        heard, self._last = self._last, None
        if error.args[0].code() not in _NO_ANSWER:
            heard = None
        return LogUnavailable(f"Kafka does not answer: {heard or error.args[0].str()}")

    def forget(self, client: AdminClient) -> None:
        """What `client` has to complain of: it was answered meanwhile."""
        client.poll(0)
        self._last = None

    def _hear(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last = error.str()


class Admin:
    """An AdminClient, and another one after a question that was not answered: nothing polls it, so it notices nothing.

    For one thread at a time, or for questions that may be asked twice.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._complaints = Complaints()
        self._config = self._complaints.heard_from(config)
        self._client = AdminClient(self._config)

    @contextmanager
    def asking(self) -> Iterator[AdminClient]:
        """The client to ask within; what it raises is passed on."""
        try:
            yield self._client
        except (KafkaException, TimeoutError):
            self._client = AdminClient(self._config)
            raise
        self._complaints.forget(self._client)

    @contextmanager
    def answered(self, seconds: float) -> Iterator[AdminClient]:
        """As `asking`; LogUnavailable for what it raises. `seconds`: how long each question waits for its answer."""
        client = self._client
        try:
            with self.asking():
                yield client
        except KafkaException as error:
            raise self._complaints.explained(client, error) from error
        except TimeoutError as error:
            raise LogUnavailable(f"Kafka does not answer within {seconds:g} s.") from error


class _KnownBrokers:
    """Called with librdkafka's statistics, https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md."""

    def __init__(self) -> None:
        self._times_none = 0

    def __call__(self, statistics: str) -> None:
        brokers = json.loads(statistics)["brokers"].values()
        if any(one["source"] in ("configured", "learned") for one in brokers):
            self._times_none = 0
            return
        self._times_none += 1
        if self._times_none >= _TIMES_SEEN:
            raise LogUnavailable("Kafka's client has forgotten all brokers.")
