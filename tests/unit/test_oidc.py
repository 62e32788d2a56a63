"""Tokens of an OIDC provider: whatever comes is a principal or refused, and never an error."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import ValidationError

from tensorfleet.access.denials import Denied
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.http.oidc import ALGORITHMS, OidcTokens
from tensorfleet.settings.access import AccessSettings

SECOND = 1_000_000
NOW = 1_795_262_400 * SECOND
RSA, EC = RSAKey.generate_key(2048, {"kid": "rsa"}), ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
CLAIMS = {"iss": "i", "aud": ["a", "b"], "sub": "ada", "exp": NOW // SECOND + 100, "roles": ["reader", "boss"]}


def tokens(directory: Path, jwks: Any, **settings: str) -> OidcTokens:
    path = directory / "jwks.json"
    path.write_text(jwks if isinstance(jwks, str) else json.dumps(jwks))
    asked = AccessSettings(oidc_issuer="i", oidc_audience="a", oidc_jwks=str(path), **settings)  # type: ignore[arg-type]
    found = OidcTokens(asked)
    asyncio.run(found.start())
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> OidcTokens:
    keys = [one.as_dict(private=False) for one in (RSA, EC, ED)]
    password = {"kty": "oct", "kid": "oct", "k": encoded(b"x" * 32)}
    return tokens(tmp_path_factory.mktemp("oidc"), {"keys": [*keys, password]}, oidc_prefix_claim="models")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_with_a_password(header: dict[str, Any], password: bytes) -> str:
    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps({**CLAIMS, 'models': 'm/'}).encode())}"
    return f"{text}.{encoded(hmac.new(password, text.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS384"), (EC, "ES256"), (ED, "Ed25519")])
def test_a_signed_token_is_its_subject_with_the_roles_that_we_know(known: OidcTokens, key: Any, algorithm: str) -> None:
    token = jwt.encode({"alg": algorithm, "kid": key.kid}, {**CLAIMS, "models": "m/"}, key, algorithms=ALGORITHMS)
    principal = known.principal(token, NOW)
    assert (principal.actor, principal.names, set(principal.roles)) == ("oidc:ada", NamePrefix("m/"), {"reader"})
    late = NOW + 1000 * SECOND
    with pytest.raises(Denied):
        known.principal(token, late)


HOSTILE = [
    "eyJ.a.b",
    "eyJ" + ".." * 4000,
    encoded(b'{"alg":"none"}') + "." + encoded(json.dumps(CLAIMS).encode()) + ".",
    encoded(b'{"alg":["RS256"],"kid":[1]}') + ".e30.x",
    encoded(b'{"a":' * 900 + b"1" + b"}" * 900) + ".e30.x",
    encoded(b"[]") + ".e30.x",
    encoded(b'{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}') + ".e30.AAAA",
    signed_with_a_password({"alg": "HS256", "kid": "rsa"}, RSA.as_pem(private=False)),
    signed_with_a_password({"alg": "HS256", "kid": "oct"}, b"x" * 32),
    jwt.encode({"alg": "RS256", "kid": "rsa"}, CLAIMS, RSA),  # it names no models, and this provider's tokens must
    jwt.encode({"alg": "RS256", "kid": "rsa"}, {**CLAIMS, "models": "m/"}, RSAKey.generate_key(2048)),
]


@pytest.mark.parametrize("token", HOSTILE, ids=range(len(HOSTILE)))
def test_anything_else_is_refused(known: OidcTokens, token: str) -> None:
    with pytest.raises(Denied):
        known.principal(token, NOW)


def test_the_settings_of_a_provider_go_together() -> None:
    with pytest.raises(ValidationError) as error:
        AccessSettings(oidc_issuer="i")
    assert {one["loc"][0] for one in error.value.errors()} == {"oidc_audience", "oidc_jwks"}


@pytest.mark.parametrize("jwks", ["", "[]", '{"keys": 7}', {"keys": []}, {"keys": [{"kty": "oct", "k": "eHh4"}]}])
def test_a_start_without_usable_keys_ends_with_what_is_wrong(tmp_path: Path, jwks: Any) -> None:
    with pytest.raises(SettingsInvalid, match="OIDC_JWKS can't be read"):
        tokens(tmp_path, jwks)
