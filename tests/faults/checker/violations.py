"""Every kind of violation, by the invariant that it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """I8 (a lost or swapped log is noticed) is a scenario of its own: no history of a sound log can show it."""

    LOST = "I1 acknowledged, and not in the log"
    DOUBLED = "I1 in the log more than once"
    MISPLACED = "I1 acknowledged with a position that does not hold it"
    REJECTED_IN_LOG = "I2 rejected, and in the log"
    DENIED_IN_LOG = "I2 said to have changed nothing, and in the log"
    UNJUSTIFIED = "I2 rejected without a reason in the log"
    PHANTOM = "I2 an event that nobody asked for"
    DISTORTED = "I2 an event that is not what its command asked for"
    MISCOUNTED = "I3 a counter or statistic is not what the topics hold"
    DOWNLOAD_LOST = "I3 a complete download was not counted"
    DOWNLOAD_INVENTED = "I3 more downloads were counted than began"
    PARKED = "I3 an accepted event was not projected"
    NOT_REPRODUCED = "I4 a replay into an empty database gives other bytes"
    OUT_OF_ORDER = "I5 an event stands before one that was acknowledged before it was asked for"
    WENT_BACK = "I5 a read shows less than an earlier read showed"
    INVENTED_READ = "I5 a read shows a state that the log never had"
    BLOB_MISSING = "I6 a file that a version refers to is not stored"
    BLOB_DAMAGED = "I6 a stored file is not what its name says"
    BLOB_ORPHAN = "I6 a stored file that no version refers to"
    CHANGED = "I7 a position held two values"
    STALE_READ = "I9 a read does not show what it must contain"
    UNAUDITED = "I10 the audit trail is not the log"
    FEED_MISSING = "feed: an accepted event is missing"
    FEED_REPEATED = "feed: an event comes twice"
    FEED_DISORDERED = "feed: events out of order"
    FEED_FOREIGN = "feed: a record that is not an accepted event"
    STATE_WRONG = "feed: the latest state of a model is not the log's"
    SERVER_ERROR = "an answer that the contract does not allow"


@dataclass(frozen=True, slots=True)
class Violation:
    """`subject` is what it is about (a command id, a model id, a position); `detail` is for a person."""

    kind: Kind
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject} {self.detail}".rstrip()
