"""What has been archived for how long, as the log says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorfleet.collection.references import LogSource
from tensorfleet.domain import events as e
from tensorfleet.domain.model import LiveModel
from tensorfleet.events.codec import Codec
from tensorfleet.events.fold import LogFold
from tensorfleet.events.stored import StoredRecord
from tensorfleet.progress import Progress


@dataclass(frozen=True, slots=True)
class Archived:
    """A model, or one `version` of a model. `since` is in microseconds since 1970."""

    model_id: str
    model_name: str
    version: str | None
    since: int


class Archives:
    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._folds: dict[int, LogFold] = {}
        self._became: dict[tuple[str, str | None], int] = {}

    def read(self, log: LogSource, progress: Progress) -> None:
        """The log as it is now. LogUnavailable."""
        ranges = log.ranges()
        progress.begin("reading the log", sum(map(len, ranges)))
        for record in log.read(ranges):
            self._add(record)
            progress.advance()

    def before(self, moment: int) -> list[Archived]:
        """What is archived now and became so before `moment`: whole models, and versions of the other models.

        One version of each model is never among them: the last can't be deleted.
        """
        return [one for fold in self._folds.values() for one in self._of(fold) if one.since < moment]

    def _of(self, fold: LogFold) -> Iterator[Archived]:
        for model_id, model in fold.models.items():
            if not isinstance(model, LiveModel) or model_id in fold.parked:
                continue
            name = fold.names[model_id]
            if model.status is e.Status.ARCHIVED:
                yield Archived(model_id, name, None, self._became[model_id, None])
                continue
            retired = [str(one.number) for one in model.versions.values() if one.status is e.Status.ARCHIVED]
            if len(retired) == len(model.versions):
                retired.pop()
            yield from (Archived(model_id, name, one, self._became[model_id, one]) for one in retired)

    def _add(self, record: StoredRecord) -> None:
        fold = self._folds.setdefault(record.partition, LogFold(self._codec))
        judged = fold.apply(record.offset, record.key, record.value)
        if judged.envelope is None or not judged.effective:
            return
        model_id, at = judged.envelope.model_id, judged.envelope.occurred_at
        match judged.envelope.event:
            case e.ModelArchived(version):
                self._became[model_id, version] = at
            case e.ModelUpdated(version=version, status=status, version_status=version_status):
                if status is e.Status.ARCHIVED:
                    self._became[model_id, None] = at
                if version_status is e.Status.ARCHIVED:
                    self._became[model_id, version] = at
            case _:
                pass
