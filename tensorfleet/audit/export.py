"""Writes an export: the log, or what concerns one model, as JSON Lines that can be verified offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from tensorfleet.audit.export_format import ExportHeader, closing_line, record_line
from tensorfleet.audit.log import concerns
from tensorfleet.domain.errors import ModelNotFound
from tensorfleet.domain.names import partition_of
from tensorfleet.events.codec import Codec
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.progress import Progress


def ranges_of(reader: TopicReader, model_id: str | None) -> tuple[int, list[OffsetRange]]:
    """The number of partitions of the topic, and what to read of it now."""
    ranges = reader.ranges()
    if model_id is None:
        return len(ranges), ranges
    return len(ranges), [ranges[partition_of(model_id, len(ranges))]]


def export_log(
    reader: TopicReader, registry: str, model_id: str | None, codec: Codec, progress: Progress
) -> Iterator[bytes]:
    """The lines of an export of the log as it is now; a function of the records alone.

    ModelNotFound, after the last record, if a model was asked for that the log does not know.
    """
    partitions, ranges = ranges_of(reader, model_id)
    identity = reader.identity()
    header = ExportHeader(
        registry, identity.cluster_id, identity.topic, identity.topic_id, partitions, model_id, tuple(ranges)
    )
    progress.begin("exporting", sum(map(len, ranges)))
    records = watched(reader.read(ranges), progress)
    if model_id is not None:
        records = _of_model(records, model_id, codec)
    yield from _lines(header, records, codec)


def watched(records: Iterable[StoredRecord], progress: Progress) -> Iterator[StoredRecord]:
    for record in records:
        yield record
        progress.advance()


def _of_model(records: Iterable[StoredRecord], model_id: str, codec: Codec) -> Iterator[StoredRecord]:
    found = False
    for record in records:
        if concerns(record, model_id, codec):
            found = found or record.key == model_id.encode()
            yield record
    if not found:
        raise ModelNotFound(model_id)


def _lines(header: ExportHeader, records: Iterable[StoredRecord], codec: Codec) -> Iterator[bytes]:
    sha256, number = hashlib.sha256(header.line()), 0
    yield header.line()
    for record in records:
        line = record_line(record, codec)
        sha256.update(line)
        number += 1
        yield line
    yield closing_line(number, sha256.hexdigest())
