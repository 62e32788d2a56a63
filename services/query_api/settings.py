"""What the query API reads from its environment."""

from __future__ import annotations

from pydantic import SecretStr, field_validator

from services.query_api.cursors import signing_key
from services.query_api.files.quarantine import Quarantine, ScanPolicy
from tensorfleet.settings import ByteRoom, Settings
from tensorfleet.settings.access import refuse_weak


class QuerySettings(Settings):
    """`cursor_secret` signs cursors; without it, the key comes from another secret that all instances share.

    `kept_answers` is the room for answers that may be given again, in each process; 0 keeps none.
    """

    cursor_secret: SecretStr | None = None
    kept_answers: ByteRoom = 64 * 10**6
    scan_policy: ScanPolicy = "quarantine"
    scan_required: bool = False

    _strong_cursor_secret = field_validator("cursor_secret")(refuse_weak)

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.scan_policy, self.scan_required)

    @property
    def cursor_key(self) -> bytes:
        return signing_key((self.cursor_secret or self.minio_secret_key).get_secret_value())
