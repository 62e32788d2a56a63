"""One batch of records, folded in memory into the writes of one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Writes
from tensorfleet.projection.baseline import Baseline
from tensorfleet.projection.download_times import DownloadTimes
from tensorfleet.projection.downloads import Download, download_of
from tensorfleet.projection.log_projection import DeadLetter, Decoded, LogProjection
from tensorfleet.projection.progress import Progress


@dataclass(slots=True)
class Projected:
    """`checkpoints` are those after the batch, by id. `dead_letters` are in the order of the log."""

    writes: Writes
    checkpoints: dict[str, Checkpoint]
    dead_letters: list[DeadLetter]
    verdicts: Counter[str] = field(default_factory=Counter)


class BatchProjection:
    """Folds one batch. `checkpoints` are those before it, by id; `log_topic` tells the log from the downloads.

    `unfinished` are the writes of the batch before, if their transaction may still be under way.
    """

    def __init__(
        self,
        store: ProjectionStore,
        codec: Codec,
        log_topic: str,
        checkpoints: dict[str, Checkpoint],
        unfinished: Writes | None = None,
    ) -> None:
        self._codec = codec
        self._log_topic = log_topic
        self._before = checkpoints
        self._baseline = Baseline(store, unfinished or Writes())
        epochs = {one.partition: one.epoch for one in checkpoints.values() if one.topic == "log"}
        self._log = LogProjection(self._baseline, epochs)
        self._progress: dict[tuple[str, int], Progress] = {}
        self._times = DownloadTimes(self._log.writes.download_times)
        self._letters: list[DeadLetter] = []

    def project(self, records: Sequence[Record]) -> Projected:
        """LogLost if the records do not follow the checkpoints without a gap; records from before them are left out."""
        log, downloads = self._decoded(records)
        self._log.load(log)
        for record, envelope in log:
            self._progress[record.topic, record.partition].fold(self._log.project(record, envelope))
        writes = self._log.finish(downloads)
        writes.checkpoints = [
            (one.start, one.checkpoint(self._epoch_of(place))) for place, one in self._progress.items() if one.moved
        ]
        after = {one.id: one for _, one in writes.checkpoints}
        letters = sorted([*self._letters, *self._log.letters], key=_place_and_offset)
        return Projected(writes, {**self._before, **after}, letters, self._log.verdicts)

    def _decoded(self, records: Sequence[Record]) -> tuple[list[Decoded], list[Download]]:
        """The records of the log, and the downloads; each download is behind its checkpoint with this."""
        log: list[Decoded] = []
        downloads: list[Download] = []
        for record in records:
            place = record.topic, record.partition
            progress = self._progress.get(place) or self._start(place)
            if not progress.expects(record):
                continue
            envelope = self._decode(record)
            if record.topic == self._log_topic:
                log.append((record, envelope))
                continue
            progress.fold(record.value or b"")
            if envelope is not None and isinstance(envelope.event, ModelDownloaded):
                downloads.append(download_of(envelope, record.partition))
                self._times.add(record, envelope)
            elif envelope is not None:
                self._letters.append(DeadLetter(record, "not-a-download", "only downloads belong in this topic"))
        return log, downloads

    def _start(self, place: tuple[str, int]) -> Progress:
        topic, partition = place
        key = f"{'log' if topic == self._log_topic else 'downloads'}:{partition}"
        progress = self._progress[place] = Progress(self._before[key])
        return progress

    def _decode(self, record: Record) -> Envelope | None:
        try:
            return self._codec.decode(record.value or b"")
        except Undecodable as error:
            self._letters.append(DeadLetter(record, "undecodable", str(error)))
            return None

    def _epoch_of(self, place: tuple[str, int]) -> int | None:
        """The epoch after the batch, if a record of the log was judged."""
        topic, partition = place
        return self._log.epoch(partition) if topic == self._log_topic else None


def _place_and_offset(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.record.topic, letter.record.partition, letter.record.offset
