"""Keys over HTTP: issuing and revoking, which a command API serves, and the list, which a query API serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tensorfleet.access.keys import KEY_ID, AccessKey, hash_of, new_secret
from tensorfleet.access.principal import EVERYONE, SUBJECT, NamePrefix, Principal
from tensorfleet.access.roles import Role
from tensorfleet.domain import limits
from tensorfleet.domain.errors import Forbidden, InvalidCommand, KeyNotFound, Rejected
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.json import json_response, read_command
from tensorfleet.http.openapi.operations import command_docs, problems
from tensorfleet.http.query_parameters import QueryParameters
from tensorfleet.http.times import parse_time, time_text

PATH: Final = "/api/v1/keys"
NAME_CHARACTERS: Final = 100
MOST_KEYS: Final = 10_000
"""That are not revoked; every process holds them in memory."""
_LATEST: Final = 253_402_300_799_000_000  # the year 9999


class KeyForm(BaseModel):
    """A key's roles and limits never change: issue another one instead."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What it is for, for people and for the log.", max_length=NAME_CHARACTERS)
    roles: list[str] = Field(
        description="At least one.",
        json_schema_extra={"minItems": 1, "items": {"type": "string", "enum": [str(one) for one in Role]}},
    )
    model_prefix: str | None = Field(None, description="Limits the key to models whose names begin with it.")
    expires_at: str | None = Field(
        None, description="RFC 3339; without it, never.", json_schema_extra={"format": "date-time"}
    )


class Keys(Protocol):
    """The keys that this process knows."""

    @property
    def keys(self) -> list[AccessKey]: ...
    def get(self, key_id: str) -> AccessKey | None: ...
    def last_used(self, key_id: str) -> int | None: ...


class KeyLog(Protocol):
    async def put(self, key: AccessKey) -> None:
        """Put on record what became of a key, and return when this process knows it. LogUnavailable."""


def issuing_routes(keys: Keys, log: KeyLog, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(prefix=PATH, tags=["access"])

    docs = command_docs("issue_key", "Issue an API key; its text is shown this once", KeyForm)
    docs["openapi_extra"]["parameters"] = []

    @router.post("", status_code=201, **docs)
    async def issue(request: Request) -> Response:
        QueryParameters.of(request, [])
        issuer = _known(principal_of(request))
        form, _ = await read_command(request, KeyForm)
        key_id, text = new_secret()
        key = _key(form, key_id, hash_of(text), now(), issuer.actor)
        if sum(one.revoked_at is None for one in keys.keys) >= MOST_KEYS:
            raise Rejected(f"There are {MOST_KEYS} keys already: revoke what is not needed.")
        await log.put(key)
        members = {
            "success": True,
            "message": "Keep the key now: it is not shown again",
            "api_key": text,
            "key": _members(key, None, now()),
        }
        return json_response(members, 201, {"Location": f"{PATH}/{key_id}", "Cache-Control": "no-store"})

    docs = command_docs("revoke_key", "Revoke an API key, for good", None)
    docs["openapi_extra"]["parameters"] = []

    @router.delete("/{key_id}", **docs)
    async def revoke(request: Request, key_id: str) -> Response:
        QueryParameters.of(request, [])
        revoker = _known(principal_of(request))
        key = keys.get(key_id) if KEY_ID.fullmatch(key_id) else None
        if key is None:
            raise KeyNotFound(key_id)
        if key.revoked_at is None:
            await log.put(replace(key, revoked_at=now(), revoked_by=revoker.actor))
        return json_response({"success": True, "message": "Key revoked", "revoked_id": key_id})

    return router


def key_list_routes(keys: Keys, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(prefix=PATH, tags=["access"])

    @router.get("", operation_id="list_keys", summary="Every key ever issued, newest first", responses=problems(*_READ))
    async def list_keys(request: Request) -> Response:
        QueryParameters.of(request, [])
        shown = [_members(one, keys.last_used(one.key_id), now()) for one in keys.keys]
        return conditional_json(request, {"keys": shown, "total": len(shown)})

    return router


_READ: Final = (400, 422, 503)


def _known(principal: Principal) -> Principal:
    """Forbidden while authentication is off: whoever could issue a key then could use it later."""
    if principal is EVERYONE:
        raise Forbidden("Authentication is off (ENABLE_AUTH), so there are no keys.")
    return principal


def _key(form: KeyForm, key_id: str, secret_hash: bytes, now: int, issuer: str) -> AccessKey:
    """InvalidCommand for what no key can be."""
    name = form.name.strip()
    problem = limits.text_problem(name, NAME_CHARACTERS) or (None if name else "is empty")
    if problem is None and name.startswith(SUBJECT):
        problem = f"begins with {SUBJECT}, as those of tokens do"
    if problem:
        raise InvalidCommand.of("name", problem)
    known = [str(one) for one in Role]
    if not form.roles or any(one not in known for one in form.roles):
        raise InvalidCommand.of("roles", f"must name one or more of {', '.join(known)}")
    roles = tuple(sorted({Role(one) for one in form.roles}))
    prefix = None if form.model_prefix is None else NamePrefix.of(form.model_prefix, "model_prefix").text
    if prefix is not None and Role.ADMIN in roles:
        raise InvalidCommand.of("model_prefix", "can't limit an admin, who could issue a key without it")
    expires_at = None if form.expires_at is None else parse_time(form.expires_at, "expires_at")
    if expires_at is not None and not now < expires_at <= _LATEST:
        raise InvalidCommand.of("expires_at", "is not in the future")
    return AccessKey(key_id, name, roles, prefix, secret_hash, now, issuer, expires_at)


def _members(key: AccessKey, last_used: int | None, now: int) -> dict[str, Any]:
    status = "revoked" if key.revoked_at is not None else "expired" if key.expired(now) else "active"
    return {
        "id": key.key_id,
        "name": key.name,
        "roles": [str(one) for one in key.roles],
        "model_prefix": key.prefix,
        "status": status,
        "issued_at": time_text(key.issued_at),
        "issued_by": key.issued_by,
        "expires_at": None if key.expires_at is None else time_text(key.expires_at),
        "revoked_at": None if key.revoked_at is None else time_text(key.revoked_at),
        "revoked_by": key.revoked_by,
        "last_used": None if last_used is None else time_text(last_used),
    }
