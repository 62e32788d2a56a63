"""Opaque cursors: where the next page starts, signed, and bound to the query that they continue."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import orjson

from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.query_parameters import Parameter, QueryParameters

CURSOR: Final = Parameter("cursor", "`next_cursor` of the page before; all other parameters stay as they were.")
MOST_CHARACTERS: Final = 4_096
_SIGNATURE_BYTES: Final = 16


def signing_key(secret: str) -> bytes:
    """The key for cursors, from a secret that all instances share: a cursor works on each of them."""
    return hmac.digest(secret.encode(), b"tensorfleet cursors 1", hashlib.sha256)


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, query: Any, place: list[Any]) -> str:
        """`query` is what the cursor is bound to; `place` what the next page needs. Both are plain JSON values."""
        body = orjson.dumps(place)
        return urlsafe_b64encode(self._sign(query, body) + body).rstrip(b"=").decode()

    def place(self, parameters: QueryParameters, query: Any) -> list[Any] | None:
        """None if no cursor is given. InvalidCommand if it is not one of ours, or belongs to another query."""
        text = parameters.text(CURSOR.name, MOST_CHARACTERS)
        if text is None:
            return None
        raw = _decoded(text)
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(query, body)):
            raise InvalidCommand.of(CURSOR.name, "is not a cursor of this query")
        place: list[Any] = orjson.loads(body)
        return place

    def _sign(self, query: Any, body: bytes) -> bytes:
        bound = orjson.dumps(query, option=orjson.OPT_SORT_KEYS)
        message = len(bound).to_bytes(8, "big") + bound + body
        return hmac.digest(self._key, message, hashlib.sha256)[:_SIGNATURE_BYTES]


def _decoded(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise InvalidCommand.of(CURSOR.name, "is not a cursor of this query") from None
