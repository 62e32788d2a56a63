"""Tokens of an OIDC provider: whatever comes is a principal or refused, and never an error."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import ValidationError

from tensorfleet.access.denials import Denied
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.http.access import oidc
from tensorfleet.http.access.oidc import ALGORITHMS, OidcTokens
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


@pytest.mark.parametrize(
    ("jwks", "taken"),
    [
        ("https://issuer.example/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://issuer.example/keys", False),
        ("http://127.0.0.1.issuer.example/keys", False),
        ("http://127.0.0.1@issuer.example/keys", False),
        ("http://10.0.0.1/keys", False),
        ("http:///keys", False),
        ("http://[::1/keys", False),
    ],
)
def test_keys_come_over_tls_or_from_the_same_machine(jwks: str, taken: bool) -> None:
    with nullcontext() if taken else pytest.raises(ValidationError, match="oidc_jwks"):
        AccessSettings(oidc_issuer="i", oidc_audience="a", oidc_jwks=jwks)


@dataclass
class Provider:
    """Answers `/keys` by `status` and `keys`, and `/moved` by a redirect to it."""

    status: int = 200
    keys: bytes = b""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/moved":
            raise web.HTTPFound("/keys")
        return web.Response(status=self.status, body=self.keys)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """On a loopback address, which it yields."""
        app = web.Application()
        app.router.add_get("/{path}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def test_keys_are_read_by_url_again_and_again_and_a_failed_read_keeps_those_that_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oidc, "REFRESH_SECONDS", 0.01)
    asyncio.run(read_by_url())


async def read_by_url() -> None:
    first, second = (json.dumps({"keys": [one.as_dict(private=False)]}).encode() for one in (RSA, EC))
    by_rsa = jwt.encode({"alg": "RS256", "kid": "rsa"}, CLAIMS, RSA)
    by_ec = jwt.encode({"alg": "ES256", "kid": "ec"}, CLAIMS, EC)
    provider = Provider(keys=first)

    async def read_twice() -> None:
        """The second one began after what the provider answers was changed."""
        seen = len(provider.asked)
        async with asyncio.timeout(20):
            while len(provider.asked) < seen + 3:
                await asyncio.sleep(0.01)

    async with provider.serving() as url:
        asked = AccessSettings(oidc_issuer="i", oidc_audience="a", oidc_jwks=f"{url}/keys")
        found = OidcTokens(asked)
        await found.start()
        running = asyncio.create_task(found.run())
        assert found.principal(by_rsa, NOW).actor == "oidc:ada"
        for provider.status, provider.keys in ((500, second), (200, b"no keys"), (200, b" " * 2**21)):
            await read_twice()
            assert found.principal(by_rsa, NOW).actor == "oidc:ada"
        provider.keys = second
        await read_twice()
        assert found.principal(by_ec, NOW).actor == "oidc:ada"
        with pytest.raises(Denied):
            found.principal(by_rsa, NOW)
        running.cancel()
        await asyncio.wait([running])
        provider.asked.clear()
        with pytest.raises(SettingsInvalid, match=r"OIDC_JWKS can't be read: .* 302"):
            await OidcTokens(asked.model_copy(update={"oidc_jwks": f"{url}/moved"})).start()
        assert provider.asked[-1] == "/moved"


@pytest.mark.parametrize("roles", [["writer", "boss"], "writer boss"])
def test_the_roles_are_those_of_the_claim_that_the_settings_name(tmp_path: Path, roles: Any) -> None:
    named = tokens(tmp_path, {"keys": [RSA.as_dict(private=False)]}, oidc_roles_claim="groups")
    token = jwt.encode({"alg": "RS256", "kid": "rsa"}, {**CLAIMS, "roles": ["admin"], "groups": roles}, RSA)
    assert named.principal(token, NOW).roles == {"writer", "reader"}
    without = jwt.encode({"alg": "RS256", "kid": "rsa"}, {**CLAIMS, "roles": ["admin"]}, RSA)
    assert named.principal(without, NOW).roles == set()


@pytest.mark.parametrize("jwks", ["", "[]", '{"keys": 7}', {"keys": []}, {"keys": [{"kty": "oct", "k": "eHh4"}]}])
def test_a_start_without_usable_keys_ends_with_what_is_wrong(tmp_path: Path, jwks: Any) -> None:
    with pytest.raises(SettingsInvalid, match="OIDC_JWKS can't be read"):
        tokens(tmp_path, jwks)
