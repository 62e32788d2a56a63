"""Tokens of an OpenID Connect provider: who they stand for, checked against the keys that it publishes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.principal import SUBJECT, NamePrefix, Principal
from tensorfleet.access.roles import Role, held
from tensorfleet.domain import limits
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.settings.access import AccessSettings

_LOG = logging.getLogger(__name__)
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""Signatures by a private key alone: a token that is signed with a public key as if it were a password is none."""
_KINDS: Final = ("RSA", "EC", "OKP")
REFRESH_SECONDS: Final = 300.0
_ANSWER_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
_LEEWAY_SECONDS: Final = 30
_MOST_SUBJECT: Final = limits.CREATED_BY_CHARACTERS - len(SUBJECT)
_UNREADABLE: Final = (OSError, ValueError, aiohttp.ClientError, TimeoutError)


class OidcTokens:
    """The provider's keys are read at start, and every five minutes; a read that fails keeps those that are known."""

    def __init__(self, settings: AccessSettings) -> None:
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._source = settings.oidc_jwks
        self._roles_claim = settings.oidc_roles_claim
        self._prefix_claim = settings.oidc_prefix_claim
        self._keys = KeySet([])

    async def start(self) -> None:
        """SettingsInvalid if OIDC_JWKS can't be read."""
        try:
            self._keys = await self._read()
        except _UNREADABLE as error:
            raise SettingsInvalid(f"OIDC_JWKS can't be read: {type(error).__name__}: {error}") from error

    async def run(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                self._keys = await self._read()
            except _UNREADABLE as error:
                _LOG.warning("the keys of the OIDC provider can't be read: %s", type(error).__name__)

    def principal(self, text: str, now: int) -> Principal:
        """Denied for a token that the provider did not sign for us, or that does not hold at `now` (microseconds)."""
        registry = jwt.JWTClaimsRegistry(
            now=now // 1_000_000,
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            claims = jwt.decode(text, self._keys, algorithms=ALGORITHMS).claims
            registry.validate(claims)
            return self._principal(claims)
        except Exception as error:  # text from outside can raise anything here; each means the same
            _LOG.debug("a token does not count: %s", type(error).__name__)
            raise Denied(Reason.TOKEN) from None

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        """ValueError for claims that say too little."""
        subject = claims["sub"]
        if not isinstance(subject, str) or limits.text_problem(subject, _MOST_SUBJECT) or not subject:
            raise ValueError("sub")
        actor = f"{SUBJECT}{subject}"
        given = claims.get(self._roles_claim)
        named = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        roles = held([one for one in Role if one in named])
        names = None if Role.ADMIN in roles else self._names(claims)
        expires_at = (int(claims["exp"]) + _LEEWAY_SECONDS) * 1_000_000
        return Principal(actor, roles, names, space=actor, expires_at=expires_at)

    def _names(self, claims: Mapping[str, Any]) -> NamePrefix | None:
        """InvalidCommand where tokens are limited, and this one does not say to what."""
        if not self._prefix_claim:
            return None
        given = claims.get(self._prefix_claim)
        return NamePrefix.of(given if isinstance(given, str) else "", self._prefix_claim)

    async def _read(self) -> KeySet:
        remote = self._source.startswith(("http://", "https://"))
        raw = await self._fetched() if remote else await asyncio.to_thread(Path(self._source).read_bytes)
        try:
            found = json.loads(raw)["keys"]
            usable = [one for one in found if one["kty"] in _KINDS and one.get("use", "sig") == "sig"]
            keys = KeySet.import_key_set({"keys": usable})
        except (JoseError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is no key set: {type(error).__name__}") from error
        if not usable:
            raise ValueError("it holds no key of RSA, EC or OKP for signatures")
        return keys

    async def _fetched(self) -> bytes:
        """From the address of the settings alone: a redirect would lead to one that nobody has chosen."""
        timeout, raw = aiohttp.ClientTimeout(total=_ANSWER_SECONDS), bytearray()
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._source, allow_redirects=False) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"it is answered by {answer.status}")
            async for chunk in answer.content.iter_any():
                raw += chunk
                if len(raw) > _MOST_BYTES:
                    raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        return bytes(raw)
