"""Which versions refer to which blobs, as the log says, and when the last reference to a blob ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from tensorfleet.domain import events as e
from tensorfleet.domain.errors import CollectionRefused
from tensorfleet.domain.events import BlobFile
from tensorfleet.domain.model import LiveModel, Model
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.fold import LogFold
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.progress import Progress

_MOVING: Final = (e.ModelFileAttached, e.ModelDeleted, e.ModelVersionDeleted, e.ModelRestored)


class LogSource(Protocol):
    """What TopicReader gives of the log."""

    def ranges(self) -> list[OffsetRange]:
        """What each partition holds, as asked after the call began."""
        raise NotImplementedError

    def read(self, ranges: list[OffsetRange]) -> Iterator[StoredRecord]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class FileReference:
    """A version, not deleted, of a model, not deleted, and its file; the log may say that it is corrupt."""

    model_id: str
    model_name: str
    version: str
    file: BlobFile
    marked_corrupt: bool


class References:
    """`catch_up` reads what the log has had since; everything else answers as of the last time."""

    def __init__(self, log: LogSource, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._folds: dict[int, LogFold] = {}
        self._live: dict[str, set[tuple[str, str]]] = {}
        self._ended: dict[str, int] = {}

    def catch_up(self, progress: Progress | None = None) -> None:
        """LogUnavailable. CollectionRefused if the beginning of the log is gone."""
        missing = [self._missing(one) for one in self._log.ranges()]
        if progress is not None:
            progress.begin("reading the log", sum(map(len, missing)))
        for record in self._log.read(missing):
            self._add(record)
            if progress is not None:
                progress.advance()
        for one in missing:
            fold = self._folds[one.partition]
            fold.next_offset = max(fold.next_offset, one.end)

    def require_complete(self) -> None:
        """CollectionRefused while a model is parked: what its records refer to is not known."""
        parked = sorted(model_id for fold in self._folds.values() for model_id in fold.parked)
        if parked:
            raise CollectionRefused(
                f"{len(parked)} models are parked, the first is {parked[0]}: which files they refer to can't be told. "
                "See docs/runbooks/dead-letters.md."
            )

    def needed(self, checksum: str, since: int) -> bool:
        """Whether a version refers to the blob, or one did after `since`, in microseconds since 1970."""
        return checksum in self._live or self._ended.get(checksum, since) > since

    def ever(self, checksum: str) -> bool:
        return checksum in self._live or checksum in self._ended

    def live(self) -> Iterator[FileReference]:
        """In the order of partitions and names of models."""
        for number in sorted(self._folds):
            fold = self._folds[number]
            for model_id in sorted(fold.models, key=lambda one: fold.names[one]):
                model = fold.models[model_id]
                for one in model.versions.values() if isinstance(model, LiveModel) else ():
                    if one.file is not None:
                        yield FileReference(model_id, fold.names[model_id], str(one.number), one.file, one.corrupt)

    def _missing(self, one: OffsetRange) -> OffsetRange:
        fold = self._folds.setdefault(one.partition, LogFold(self._codec))
        if one.first > 0:
            raise CollectionRefused(
                f"Partition {one.partition} of the log begins at offset {one.first}: what was before is not known."
            )
        return OffsetRange(one.partition, fold.next_offset, max(one.end, fold.next_offset))

    def _add(self, record: StoredRecord) -> None:
        fold = self._folds[record.partition]
        try:
            known = self._codec.decode(record.value or b"")
        except Undecodable:
            known = None
        if known is None or not isinstance(known.event, _MOVING):
            fold.apply(record.offset, record.key, record.value, known)
            return
        before = _files(fold.model(known.model_id))
        if fold.apply(record.offset, record.key, record.value, known).effective:
            after = _files(fold.model(known.model_id))
            self._moved(known.model_id, before, after, known.occurred_at)

    def _moved(self, model_id: str, before: Mapping[str, BlobFile], after: Mapping[str, BlobFile], at: int) -> None:
        for version, file in before.items() - after.items():
            left = self._live[file.checksum]
            left.discard((model_id, version))
            if not left:
                del self._live[file.checksum]
            self._ended[file.checksum] = max(at, self._ended.get(file.checksum, at))
        for version, file in after.items() - before.items():
            self._live.setdefault(file.checksum, set()).add((model_id, version))


def _files(model: Model) -> dict[str, BlobFile]:
    """By version."""
    if not isinstance(model, LiveModel):
        return {}
    return {str(number): one.file for number, one in model.versions.items() if one.file is not None}
