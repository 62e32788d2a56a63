"""Reading from a consumer, with every way in which librdkafka gives up told as one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, Message

from tensorfleet.domain.errors import LogUnavailable

Result = TypeVar("Result")


def poll(consumer: Consumer, seconds: float) -> Message | None:
    """LogUnavailable: this consumer is of no further use."""
    return _guarded(lambda: consumer.poll(seconds))


def drain(consumer: Consumer, most: int, seconds: float = 0) -> list[Message]:
    """What is there, up to `most`, waiting for all of them so long at most. LogUnavailable, as from `poll`."""
    return _guarded(lambda: consumer.consume(most, timeout=seconds))


def _guarded(call: Callable[[], Result]) -> Result:
    """The client raises fatal errors as objects that are no exceptions: only a bare `except` sees them, and a thread
    that they escape from ends without a word."""
    try:
        return call()
    except KafkaException as error:
        raise LogUnavailable(f"Kafka's client gave up: {error}") from error
    except BaseException:
        raise
    except:  # noqa: E722
        raise LogUnavailable("Kafka's client gave up.") from None
