"""A registry with authentication on: its processes, keys of every kind, and models of two tenants."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from tensorfleet.access.roles import Role
from tests.processes import RegistryProcesses
from tests.servers import Servers

ISSUER, AUDIENCE = "https://issuer.example", "tensorfleet"
OWN, FOREIGN = "team-a/", "team-b/"
LIMITED = "limited"
"""The kind of key that sees OWN alone."""
NOT_THERE = "0" * 24
SECONDS = 10


@dataclass
class Guarded:
    processes: RegistryProcesses
    admin: str
    signer: RSAKey
    http: httpx.Client
    keys: dict[str, str] = field(default_factory=dict)
    """Texts by what they are."""

    def ask(self, key: str | None, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**given.pop("headers", {}), **({} if key is None else {"X-API-Key": key})}
        return self.http.request(method, path, headers=headers, **given)

    def status_of(self, key_id: str) -> str:
        keys = self.ask(self.admin, "GET", "/api/v1/keys").json()["keys"]
        return str(next(one["status"] for one in keys if one["id"] == key_id))

    def issue(self, **form: Any) -> tuple[str, str]:
        """The id and the text of a new key."""
        answer = self.ask(self.admin, "POST", "/api/v1/keys", json={"name": "test", **form})
        assert answer.status_code == 201, answer.text
        return answer.json()["key"]["id"], answer.json()["api_key"]

    def register(self, key: str, name: str, **fields: Any) -> str:
        answer = self.ask(key, "POST", "/api/v1/models", json={"name": name, "algorithm": "svm", **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["model_id"])

    def token(self, signer: RSAKey | None = None, **claims: Any) -> str:
        now = int(time.time())
        all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, **claims}
        kept = {name: value for name, value in all_claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one"}, kept, signer or self.signer)

    @property
    def logs(self) -> str:
        return "".join(one.read_text() for one in self.processes.directory.glob("*.log"))


def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def issue_each_kind(guarded: Guarded) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    expired_id, guarded.keys["expired"] = guarded.issue(roles=["admin"], expires_at=soon)
    for role in Role:
        _, guarded.keys[role] = guarded.issue(roles=[role])
    _, guarded.keys[LIMITED] = guarded.issue(roles=["writer", "downloader", "scanner"], model_prefix=OWN)
    revoked_id, guarded.keys["revoked"] = guarded.issue(roles=["admin"])
    assert guarded.ask(guarded.admin, "DELETE", f"/api/v1/keys/{revoked_id}").status_code == 200
    guarded.keys["unknown"] = "tfr_" + "0" * 16 + "_" + "A" * 43
    guarded.keys["malformed"] = "let me in"
    until(lambda: guarded.status_of(expired_id) == "expired")


@contextmanager
def guarded_registry(stack: Servers, directory: Path) -> Iterator[Guarded]:
    processes = RegistryProcesses(stack, directory, ("gateway", "gateway.two", "projector", "publisher"))
    signer = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
    jwks = directory / "jwks.json"
    jwks.write_text(json.dumps({"keys": [signer.as_dict(private=False)]}))
    admin = secrets.token_urlsafe(32)
    processes.environment |= {
        "ENABLE_AUTH": "true",
        "ADMIN_API_KEY": admin,
        "OIDC_ISSUER": ISSUER,
        "OIDC_AUDIENCE": AUDIENCE,
        "OIDC_JWKS": str(jwks),
        "OIDC_PREFIX_CLAIM": "models",
        "LOG_LEVEL": "DEBUG",
        # Enough for the tests, which all come from one address, and visible in every answer.
        "RATE_LIMIT": "100000/hour",
        "KEY_RATE_LIMIT": "1000000/day",
        "DOWNLOAD_RATE_LIMIT": "10000/min",
        "MAX_UPLOADS": "4",
        "TRUSTED_PROXIES": "127.0.0.1",
        # The routes are on; nothing is sent by what this key signs.
        "PRESIGN": "true",
        "PRESIGN_ENDPOINT": f"http://{stack.minio_endpoint}",
        "PRESIGN_ACCESS_KEY": "narrow",
        "PRESIGN_SECRET_KEY": secrets.token_urlsafe(24),
    }
    try:
        processes.start()
        with httpx.Client(base_url=processes.url, timeout=30) as http:
            guarded = Guarded(processes, admin, signer, http)
            issue_each_kind(guarded)
            yield guarded
    finally:
        processes.stop_all()
