"""Why a request was refused: a closed set, for answers, records and metrics alike."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    NO_KEY = "no-key"
    MALFORMED = "malformed-key"
    UNKNOWN = "unknown-key"
    REVOKED = "revoked-key"
    EXPIRED = "expired-key"
    TOKEN = "invalid-token"  # noqa: S105 (a reason, no secret)
    ROLE = "missing-role"
    LIMITED = "limited-key"
    FOREIGN = "foreign-model"
    FOREIGN_UPLOAD = "foreign-upload"
    TOO_MANY = "too-many-requests"


class Denied(Exception):
    """No key, or none that counts. `actor` and `key_id` are those of a key that is known, whatever became of it."""

    def __init__(self, reason: Reason, actor: str = "anonymous", key_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.actor = actor
        self.key_id = key_id
