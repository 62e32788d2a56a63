"""Every key that was issued, as folded from their records; whoever shows one is looked up here."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.keys import KEY, AccessKey, KeyUse, hash_of
from tensorfleet.access.principal import NamePrefix, Principal
from tensorfleet.access.roles import Role, held

BOOTSTRAP: Final = Principal("admin", held([Role.ADMIN]), None, space="admin")
"""Whoever shows ADMIN_API_KEY."""
HOUR: Final = 3_600_000_000


class KeyTable:
    """`bootstrap_hash` is that of ADMIN_API_KEY. `on_use` is told of a key's first use in an hour."""

    def __init__(self, bootstrap_hash: bytes, on_use: Callable[[KeyUse], None]) -> None:
        self._bootstrap_hash = bootstrap_hash
        self._on_use = on_use
        self._keys: dict[str, AccessKey] = {}
        self._principals: dict[str, Principal] = {}
        self._used: dict[str, int] = {}

    @property
    def keys(self) -> list[AccessKey]:
        """Newest first, with those that no longer count."""
        return sorted(self._keys.values(), key=lambda one: (-one.issued_at, one.key_id))

    def get(self, key_id: str) -> AccessKey | None:
        return self._keys.get(key_id)

    def last_used(self, key_id: str) -> int | None:
        """The hour of its last use, in microseconds since 1970."""
        return self._used.get(key_id)

    def apply(self, record: AccessKey | KeyUse) -> None:
        if isinstance(record, KeyUse):
            self._used[record.key_id] = max(record.hour, self._used.get(record.key_id, 0))
            return
        known = self._keys.get(record.key_id)
        if known is not None and known.revoked_at is not None:
            return  # for good, whatever comes later
        self._keys[record.key_id] = record
        self._principals[record.key_id] = _principal(record)

    def forget(self, key_id: str) -> None:
        """A key whose record is gone, or can't be read, does not count."""
        self._keys.pop(key_id, None)
        self._principals.pop(key_id, None)

    def authenticate(self, text: str, now: int) -> Principal:
        """Whose key `text` is. Denied for one that is unknown, revoked or expired at `now`."""
        given = hash_of(text)
        if hmac.compare_digest(given, self._bootstrap_hash):
            return BOOTSTRAP
        shaped = KEY.fullmatch(text)
        if shaped is None:
            raise Denied(Reason.MALFORMED)
        key = self._keys.get(shaped[1])
        if key is None or not hmac.compare_digest(given, key.secret_hash):
            raise Denied(Reason.UNKNOWN)
        if key.revoked_at is not None:
            raise Denied(Reason.REVOKED, key.actor, key.key_id)
        if key.expired(now):
            raise Denied(Reason.EXPIRED, key.actor, key.key_id)
        hour = now - now % HOUR
        if self._used.get(key.key_id, 0) < hour:
            self._used[key.key_id] = hour
            self._on_use(KeyUse(key.key_id, hour))
        return self._principals[key.key_id]

    def still_counts(self, principal: Principal, now: int) -> bool:
        """Whether what began with this principal may go on."""
        if principal.expires_at is not None and principal.expires_at <= now:
            return False
        if principal.key_id is None:
            return True
        key = self._keys.get(principal.key_id)
        return key is not None and key.revoked_at is None


def _principal(key: AccessKey) -> Principal:
    return Principal(
        actor=key.actor,
        roles=held(key.roles),
        names=None if key.prefix is None else NamePrefix(key.prefix),
        space=key.key_id,
        key_id=key.key_id,
        expires_at=key.expires_at,
    )
