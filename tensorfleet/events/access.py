"""Records of the access topics: keys and their uses, denials and changes, in the Confluent wire format."""

from __future__ import annotations

import io
import struct
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer

from tensorfleet.access.audit import Access, AccessRecord
from tensorfleet.access.keys import AccessKey, KeyUse
from tensorfleet.access.roles import Role
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Undecodable

_PREFIX: Final = struct.Struct(">bI")
_MAX_BYTES: Final = 64 * 1024
_ISSUED, _REVOKED, _USED = "KeyIssued", "KeyRevoked", "KeyUsed"


class AccessCodec:
    """Decoding raises Undecodable for anything that the encoding of the same record did not make."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def encode_key(self, record: AccessKey | KeyUse) -> bytes:
        return self._encode("AccessKey", _key_members(record))

    def decode_key(self, value: bytes) -> AccessKey | KeyUse:
        members = self._decode("AccessKey", value)
        try:
            return _key_of(members)
        except (KeyError, ValueError) as error:
            raise Undecodable(f"not a record of a key: {error}") from error

    def encode_access(self, record_id: str, record: AccessRecord) -> bytes:
        one = record.access
        members = {name: getattr(one, name) for name in Access.__slots__}
        times = {"first_at": record.first_at, "last_at": record.last_at, "count": record.count}
        return self._encode("AccessRecord", {"record_id": record_id, **members, **times})

    def decode_access(self, value: bytes) -> tuple[str, AccessRecord]:
        """The record's id, and the record."""
        members = self._decode("AccessRecord", value)
        access = Access(**{name: members[name] for name in Access.__slots__})
        record = AccessRecord(access, members["first_at"], members["last_at"], members["count"])
        return members["record_id"], record

    def _encode(self, record: str, members: dict[str, Any]) -> bytes:
        schema = self._catalogue.latest(record)
        out = io.BytesIO()
        out.write(_PREFIX.pack(0, schema.id))
        schemaless_writer(out, schema.fast, members)
        return out.getvalue()

    def _decode(self, record: str, value: bytes) -> dict[str, Any]:
        if not _PREFIX.size <= len(value) <= _MAX_BYTES:
            raise Undecodable(f"{len(value)} bytes")
        magic, schema_id = _PREFIX.unpack_from(value)
        schema = self._catalogue.by_id.get(schema_id)
        if magic != 0 or schema is None or schema.record != record:
            raise Undecodable(f"not of a schema of {record}")
        body = io.BytesIO(value)
        body.seek(_PREFIX.size)
        try:
            members: Any = schemaless_reader(body, schema.fast, None)
        except Exception as error:  # fastavro raises many types on hostile bytes; each means the same here
            raise Undecodable(f"the body is not Avro: {type(error).__name__}") from error
        if body.tell() != len(value):
            raise Undecodable(f"{len(value) - body.tell()} bytes follow the body")
        return dict(members)


def _key_members(record: AccessKey | KeyUse) -> dict[str, Any]:
    if isinstance(record, KeyUse):
        nothing = {"actor": "", "name": "", "roles": [], "secret_hash": b"", "issued_at": 0, "issued_by": ""}
        return {"event_type": _USED, "key_id": record.key_id, "occurred_at": record.hour, **nothing}
    revoked = record.revoked_at is not None
    return {
        "event_type": _REVOKED if revoked else _ISSUED,
        "key_id": record.key_id,
        "occurred_at": record.revoked_at if revoked else record.issued_at,
        "actor": record.revoked_by if revoked else record.issued_by,
        "name": record.name,
        "roles": [str(one) for one in record.roles],
        "model_prefix": record.prefix,
        "secret_hash": record.secret_hash,
        "issued_at": record.issued_at,
        "issued_by": record.issued_by,
        "expires_at": record.expires_at,
    }


def _key_of(members: dict[str, Any]) -> AccessKey | KeyUse:
    kind = members["event_type"]
    if kind == _USED:
        return KeyUse(members["key_id"], members["occurred_at"])
    if kind not in (_ISSUED, _REVOKED):
        raise ValueError(f"no such event: {kind!r}")
    revoked = kind == _REVOKED
    return AccessKey(
        key_id=members["key_id"],
        name=members["name"],
        roles=tuple(Role(one) for one in members["roles"]),
        prefix=members["model_prefix"],
        secret_hash=members["secret_hash"],
        issued_at=members["issued_at"],
        issued_by=members["issued_by"],
        expires_at=members["expires_at"],
        revoked_at=members["occurred_at"] if revoked else None,
        revoked_by=members["actor"] if revoked else None,
    )
