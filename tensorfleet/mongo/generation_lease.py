"""The right to make, switch and drop generations: one process has it at a time."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from bson.int64 import Int64
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from tensorfleet.domain.errors import GenerationsBusy
from tensorfleet.mongo.faults import translating
from tensorfleet.mongo.generations import LIVE, Generations, database_name
from tensorfleet.mongo.writes import Document

_BEAT_SECONDS: Final = 0.5
_SILENT_SECONDS: Final = 6.0
"""A holder whose beat stands still for so long has ended. No clocks are compared."""


@dataclass(frozen=True, slots=True)
class _Held:
    holder: str
    beat: int


class GenerationLease:
    """A context manager. GenerationsBusy where another process holds it, or has taken it meanwhile.

    The lease is part of the pointer's document, so a switch and the right to it are one compare-and-set.
    """

    def __init__(self, pointer: Collection[Document], home: str) -> None:
        self._pointer = pointer
        self._home = home
        self.holder = uuid.uuid4().hex
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Self:
        with translating():
            self._make_document()
            self._acquire()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        try:
            self._pointer.update_one(self._mine, {"$set": {"lease": None}})
        except PyMongoError:
            return  # it ends by itself

    def new_database(self) -> str:
        """The name of a database that never was."""
        return database_name(self._home, self._change({"$inc": {"made": 1}})["made"])

    def generations(self) -> Generations:
        return Generations.of(self._change({"$inc": {"lease.beat": 1}}), self._home)

    def set(self, to: Generations) -> None:
        """Let the document say so, at once for everyone."""
        self._change({"$set": to.members})

    @property
    def _mine(self) -> dict[str, Any]:
        return {"_id": LIVE, "lease.holder": self.holder}

    def _change(self, change: dict[str, Any]) -> Document:
        with translating():
            found = self._pointer.find_one_and_update(self._mine, change, return_document=ReturnDocument.AFTER)
        if found is None:
            raise GenerationsBusy("Another process has taken over the generations of the read models; this one ends.")
        return found

    def _make_document(self) -> None:
        fresh = {**Generations(self._home).members, "made": 0, "lease": None}
        try:
            self._pointer.update_one({"_id": LIVE}, {"$setOnInsert": fresh}, upsert=True)
        except DuplicateKeyError:
            return

    def _acquire(self) -> None:
        seen = self._held()
        silent_until = time.monotonic() + _SILENT_SECONDS
        while seen is not None and time.monotonic() < silent_until:
            self._ending.wait(_BEAT_SECONDS / 2)
            now = self._held()
            if now is not None and now != seen:
                raise GenerationsBusy(
                    "A rebuild, a verification or a rollback is running. Wait until it ends, or end it."
                )
            seen = now
        expected = None if seen is None else {"holder": seen.holder, "beat": Int64(seen.beat)}
        ours = {"holder": self.holder, "beat": Int64(0)}
        if not self._pointer.update_one({"_id": LIVE, "lease": expected}, {"$set": {"lease": ours}}).matched_count:
            raise GenerationsBusy("Another rebuild, verification or rollback has just begun.")

    def _held(self) -> _Held | None:
        found = self._pointer.find_one({"_id": LIVE}) or {}
        lease = found.get("lease")
        return None if lease is None else _Held(lease["holder"], lease["beat"])

    def _beat(self) -> None:
        while not self._ending.wait(_BEAT_SECONDS):
            try:
                self._pointer.update_one(self._mine, {"$inc": {"lease.beat": 1}})
            except PyMongoError:
                continue
