"""I3: every event and every download is counted once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import bson

from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.model import LiveModel
from tests.faults.checker.folded import CODEC, FoldedLog
from tests.faults.checker.history import History
from tests.faults.checker.observations import LogRecord, Observations
from tests.faults.checker.violations import Kind, Violation


def check_counts(history: History, seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    places = _downloads_by_model(seen.downloads)
    recorded = Counter({model_id: len(events) for model_id, events in places.items()})
    yield from _check_downloads(history, recorded, places)
    yield from _check_counters(seen, recorded)
    yield from _check_statistics(seen, log)
    for key in seen.documents.get("parked", {}):
        yield Violation(Kind.PARKED, str(key), "the projector parked it")


def _downloads_by_model(downloads: Iterable[LogRecord]) -> dict[str, list[str]]:
    """Event id and position of each."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in downloads:
        one = CODEC.decode(record.value or b"")
        model_id = one.model_id if isinstance(one.event, ModelDownloaded) else "?"
        found[model_id].append(f"{one.event_id} at {record.position}")
    return found


def _check_downloads(history: History, recorded: Counter[str], places: dict[str, list[str]]) -> Iterator[Violation]:
    complete = Counter(one.model_id for one in history.downloads if one.complete)
    begun = Counter(one.model_id for one in history.downloads if not one.refused)
    for model_id in sorted({*complete, *recorded}):
        if recorded[model_id] < complete[model_id]:
            text = f"{complete[model_id]} arrived, {recorded[model_id]} are on record"
            yield Violation(Kind.DOWNLOAD_LOST, model_id, text)
        if recorded[model_id] > begun[model_id]:
            text = f"{begun[model_id]} began, {recorded[model_id]} are on record: {', '.join(places[model_id])}"
            yield Violation(Kind.DOWNLOAD_INVENTED, model_id, text)


def _check_counters(seen: Observations, recorded: Counter[str]) -> Iterator[Violation]:
    totals = {key: bson.decode(raw)["downloads"] for key, raw in seen.documents.get("download_counters", {}).items()}
    hours: Counter[str] = Counter()
    for raw in seen.documents.get("download_hours", {}).values():
        document = bson.decode(raw)
        hours[document["model_id"]] += document["downloads"]
    for model_id in sorted({*recorded, *hours, *map(str, totals)}):
        counted = (totals.get(model_id, 0), hours[model_id])
        if counted != (recorded[model_id], recorded[model_id]):
            text = f"downloads: total {counted[0]}, by hour {counted[1]}, on record {recorded[model_id]}"
            yield Violation(Kind.MISCOUNTED, model_id, text)


def _check_statistics(seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    found = {key: bson.decode(raw) for key, raw in seen.documents.get("statistics", {}).items()}
    for number, fold in log.folds.items():
        expected = _statistics([model for model in fold.models.values() if isinstance(model, LiveModel)])
        actual = found.get(number) or {}
        wrong = [name for name, value in expected.items() if actual.get(name, type(value)()) != value]
        if wrong and (actual or log.folds[number].models):
            text = ", ".join(f"{name} {actual.get(name)} must be {expected[name]}" for name in wrong)
            yield Violation(Kind.MISCOUNTED, f"statistics of partition {number}", text)


def _statistics(models: list[LiveModel]) -> dict[str, Any]:
    """What the statistics of a partition must say, from the models of the domain alone."""
    files = [version.file for model in models for version in model.versions.values() if version.file]
    statuses = Counter(str(model.status) for model in models)
    return {
        "models": len(models),
        "algorithms": [[name, number] for name, number in sorted(Counter(one.algorithm for one in models).items())],
        "statuses": {status: statuses[status] for status in ("active", "deprecated", "archived")},
        "total_size_bytes": sum(file.size_bytes for file in files),
        "files": len(files),
    }
