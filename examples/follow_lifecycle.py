"""Print what happens in the registry as it happens: a plain Kafka consumer on the public feed.

    python examples/follow_lifecycle.py [--from-beginning] [--count N]

Only committed records are read, so each accepted event comes once and in the order of its model. The records name
their Avro schema by number; the registry serves it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import uuid
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, Message
from fastavro import parse_schema, schemaless_reader


@cache
def schema(registry_url: str, number: int) -> Any:
    answer = httpx.get(f"{registry_url}/schemas/ids/{number}")
    answer.raise_for_status()
    return parse_schema(json.loads(answer.json()["schema"]))


def decode(value: bytes, registry_url: str) -> dict[str, Any]:
    """The Confluent wire format: a zero byte, four bytes of schema number, the Avro body."""
    if value[0] != 0:
        raise ValueError("the record is not in the Confluent wire format")
    body = io.BytesIO(value[5:])
    return schemaless_reader(body, schema(registry_url, int.from_bytes(value[1:5], "big")), None)  # type: ignore


def messages(consumer: Consumer) -> Iterator[Message]:
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        yield message


def line(event: dict[str, Any], headers: dict[str, bytes]) -> str:
    section = next((one for one in event.values() if isinstance(one, dict)), {})
    version = section.get("version") or "-"
    position = headers["registry_log_position"].decode()
    return (
        f"{event['occurred_at']:%Y-%m-%d %H:%M:%S.%f}  {event['event_type']:<20}  {event['model_name']:<36}  "
        f"{version:<6}  #{event['sequence']:<4} {position}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Print the registry's events as they happen.")
    parser.add_argument("--from-beginning", action="store_true", help="first print all that happened so far")
    parser.add_argument("--count", type=int, help="stop after so many events")
    parser.add_argument("--url", default=os.environ.get("TENSORFLEET_URL", "http://localhost:8084"))
    parser.add_argument("--kafka", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    parser.add_argument("--registry", default=os.environ.get("REGISTRY_ID", "tensorfleet"))
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    consumer = Consumer(
        {
            "bootstrap.servers": asked.kafka,
            "group.id": f"follow-lifecycle-{uuid.uuid4()}",  # a group of its own: everyone sees everything
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest" if asked.from_beginning else "latest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([f"{asked.registry}.model.events.v1"])
    try:
        for number, message in enumerate(messages(consumer), start=1):
            event = decode(message.value() or b"", asked.url)
            print(line(event, dict(message.headers() or [])), flush=True)
            if number == asked.count:
                break
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
