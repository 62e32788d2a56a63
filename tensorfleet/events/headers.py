"""Record headers after the CloudEvents Kafka protocol binding 1.0.2, binary content mode."""

from __future__ import annotations

from datetime import UTC, datetime

from tensorfleet.events.envelope import Envelope, Position

Headers = list[tuple[str, bytes]]
CONTENT_TYPE = b"application/vnd.confluent.avro"
STATE_TYPE = b"tensorfleet.registry.ModelState.v1"
LOG_POSITION = "registry_log_position"
SEQUENCE = "registry_sequence"


def cloud_event_headers(envelope: Envelope, registry: str, schema_id: int, traceparent: str | None) -> Headers:
    occurred = datetime.fromtimestamp(envelope.occurred_at // 1_000_000, UTC)
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.event_id.encode()),
        ("ce_type", f"tensorfleet.registry.{envelope.event_type}.v1".encode()),
        ("ce_source", f"/{registry}".encode()),
        ("ce_subject", envelope.model_id.encode()),
        ("ce_time", f"{occurred:%Y-%m-%dT%H:%M:%S}.{envelope.occurred_at % 1_000_000:06d}Z".encode()),
        ("ce_dataschema", f"/schemas/ids/{schema_id}".encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


def state_headers(registry: str, schema_id: int, latest: Envelope) -> Headers:
    """For a state record: it is told apart from the event that led to it, whose id it carries."""
    headers = cloud_event_headers(latest, registry, schema_id, None)
    return [(name, STATE_TYPE if name == "ce_type" else value) for name, value in headers]


def feed_headers(original: Headers, position: Position, sequence: int) -> Headers:
    """The log record's headers, and where in the log it stands."""
    return [*original, (LOG_POSITION, str(position).encode()), (SEQUENCE, str(sequence).encode())]
