"""What the errors of a synchronous MongoDB client mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from tensorfleet.domain.errors import BatchTooLarge, CommitInterrupted, ReadModelsUnavailable

_SNAPSHOT_GONE: Final = frozenset({239, 246})
_INTERRUPTED: Final = 11601
"""By `killSessions`, for nobody else may interrupt us. A commit that it meets may have been done already."""
_TOO_LARGE_FOR_CACHE: Final = 388


def translated_error(error: PyMongoError) -> Exception:
    """ReadModelsUnavailable where waiting can help; any other error as it is."""
    if isinstance(error, ConnectionFailure) or error.has_error_label("TransientTransactionError"):
        return ReadModelsUnavailable(f"MongoDB does not answer: {type(error).__name__}")
    if isinstance(error, OperationFailure) and error.code in _SNAPSHOT_GONE:
        return ReadModelsUnavailable("MongoDB no longer has the snapshot: reading all of it took too long.")
    if isinstance(error, OperationFailure) and error.code == _INTERRUPTED:
        return CommitInterrupted("Another writer of the read models ended this transaction.")
    if _outgrew_the_cache(error):
        return BatchTooLarge("MongoDB has no room in its cache for a transaction.")
    return error


def _outgrew_the_cache(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        return any(one["code"] == _TOO_LARGE_FOR_CACHE for one in error.details["writeErrors"])
    return isinstance(error, OperationFailure) and error.code == _TOO_LARGE_FOR_CACHE


@contextmanager
def translating() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise translated_error(error) from error
