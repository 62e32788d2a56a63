"""API keys: what they look like, how one is made, and what is kept of it.

A key is `tfr_<id>_<secret>`: 64 random bits that name it, and 256 that prove it. Only the SHA-256 of the whole is kept.
A slow hash would add nothing: it slows down guessing, and 256 random bits are not guessed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from tensorfleet.access.roles import Role

KEY: Final = re.compile(r"tfr_([0-9a-f]{16})_[A-Za-z0-9_-]{43}", re.ASCII)
KEY_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Times are microseconds since 1970. `prefix` None: all models. `secret_hash` is SHA-256 over the key's text.

    Of a key only `revoked_at` and `revoked_by` ever change, and only once.
    """

    key_id: str
    name: str
    roles: tuple[Role, ...]
    prefix: str | None
    secret_hash: bytes
    issued_at: int
    issued_by: str
    expires_at: int | None
    revoked_at: int | None = None
    revoked_by: str | None = None

    @property
    def actor(self) -> str:
        """How the log names whoever uses the key: names can be given twice, ids can't."""
        return f"{self.name}#{self.key_id}"

    def expired(self, now: int) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key was used within the hour that begins at `hour`, in microseconds since 1970."""

    key_id: str
    hour: int


def new_secret() -> tuple[str, str]:
    """The id of a new key, and its text: the only time that there is one."""
    key_id = secrets.token_hex(8)
    return key_id, f"tfr_{key_id}_{secrets.token_urlsafe(32)}"


def hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
