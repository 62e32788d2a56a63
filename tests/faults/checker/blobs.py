"""I6: every file that a version refers to is stored and right, and nothing else is, past the grace period."""

from __future__ import annotations

from collections.abc import Iterator

from tensorfleet.domain.commands import AttachFile
from tensorfleet.domain.events import BlobFile, ModelFileAttached
from tensorfleet.domain.model import LiveModel
from tests.faults.checker.folded import CODEC, FoldedLog
from tests.faults.checker.history import History
from tests.faults.checker.observations import Observations, StoredObject
from tests.faults.checker.violations import Kind, Violation

_PREFIX = "sha256/"
_OTHER_THINGS = ("registries/", "claim-", "suspects/", "snapshots/")


def check_blobs(history: History, seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    stored = {one.key: one for one in seen.objects}
    for model_id, file in _live_files(log):
        found = stored.get(_PREFIX + file.checksum)
        if found is None:
            yield Violation(Kind.BLOB_MISSING, file.checksum, f"of model {model_id}")
        elif found.size_bytes != file.size_bytes:
            text = f"has {found.size_bytes} bytes instead of {file.size_bytes}"
            yield Violation(Kind.BLOB_DAMAGED, file.checksum, text)
    attached = _ever_attached(log)
    offered = {one.command.file.checksum for one in history.operations if isinstance(one.command, AttachFile)}
    for one in seen.objects:
        if one.key.startswith(_PREFIX) and one.key != _PREFIX + one.checksum:
            yield Violation(Kind.BLOB_DAMAGED, one.key, f"its bytes have the hash {one.checksum}")
        elif _is_orphan(one, attached, offered, seen.grace_seconds):
            yield Violation(Kind.BLOB_ORPHAN, one.key, f"for {one.age_seconds:.0f} s")


def _live_files(log: FoldedLog) -> Iterator[tuple[str, BlobFile]]:
    for fold in log.folds.values():
        for model_id, model in fold.models.items():
            if isinstance(model, LiveModel):
                yield from ((model_id, version.file) for version in model.versions.values() if version.file)


def _ever_attached(log: FoldedLog) -> set[str]:
    """A deleted version's file may stay or go: it goes some time after the grace period."""
    events = (CODEC.decode(one.value).event for one in log.accepted)
    return {event.file.checksum for event in events if isinstance(event, ModelFileAttached)}


def _is_orphan(one: StoredObject, attached: set[str], offered: set[str], grace_seconds: float) -> bool:
    """Within the grace period an upload may lack its event: the crash came between the two."""
    if one.key.startswith(_OTHER_THINGS) or (one.key.startswith(_PREFIX) and one.checksum in attached):
        return False
    began_by_a_client = not one.key.startswith(_PREFIX) or one.checksum in offered
    return not began_by_a_client or one.age_seconds > grace_seconds
