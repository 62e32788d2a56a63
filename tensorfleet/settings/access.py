"""The settings of authentication, and which secrets are none."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from tensorfleet.settings.environment import EnvironmentSettings

LEAST_CHARACTERS: Final = 32
_FEWEST_DIFFERENT: Final = 10
DEFAULT_SECRETS: Final = frozenset({"tensorfleet-local-only", "minioadmin", "minio123", "password", "changeme"})
"""Those of docker-compose.yml and of MinIO itself, and what stands in examples."""
HOW_TO: Final = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(30))'"
"""40 characters: some storage takes no longer ones."""


class AccessSettings(EnvironmentSettings):
    """`oidc_jwks` is a path or a URL: https, or http on this machine.

    `oidc_prefix_claim` empty: tokens are not limited to model names.
    """

    enable_auth: bool = False
    admin_api_key: SecretStr | None = Field(default=None, validate_default=True)
    public_docs: bool = False
    public_metrics: bool = False
    oidc_issuer: str = ""
    oidc_audience: str = Field(default="", validate_default=True)
    oidc_jwks: str = Field(default="", validate_default=True)
    oidc_roles_claim: str = "roles"
    oidc_prefix_claim: str = ""

    @field_validator("admin_api_key")
    @classmethod
    def _strong_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        problem = weakness(None if value is None else value.get_secret_value())
        if info.data.get("enable_auth") and problem:
            raise ValueError(f"{problem}. With ENABLE_AUTH=true it is the key of the first admin: {HOW_TO}")
        return value

    @field_validator("oidc_jwks")
    @classmethod
    def _keys_that_nobody_on_the_way_makes(cls, value: str) -> str:
        if value.startswith("http://") and not is_loopback(urlsplit(value).hostname or ""):
            raise ValueError("is a http:// address of another machine: whoever is on the way could make tokens")
        return value

    @field_validator("oidc_audience", "oidc_jwks")
    @classmethod
    def _complete(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("oidc_issuer") and not value:
            raise ValueError("is missing: OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS go together")
        return value


def is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return host == "localhost"


def weakness(secret: str | None) -> str | None:
    """What makes it possible to guess a secret; None if nothing does."""
    if not secret:
        return "is missing"
    if secret in DEFAULT_SECRETS:
        return "is a default that everyone knows"
    if len(secret) < LEAST_CHARACTERS:
        return f"has {len(secret)} characters; at least {LEAST_CHARACTERS} are needed"
    if len(set(secret)) < _FEWEST_DIFFERENT or not secret.isascii() or not secret.isprintable() or " " in secret:
        return "is not random, or not plain ASCII without spaces"
    return None


def refuse_weak(secret: Any, info: ValidationInfo) -> Any:
    """For what signs: whoever has one cursor or URL can try secrets on it without asking us, as fast as can be."""
    problem = weakness(secret.get_secret_value()) if isinstance(secret, SecretStr) else None
    if info.data.get("enable_auth") and problem:
        raise ValueError(f"{problem}. With ENABLE_AUTH=true it must not be guessed: {HOW_TO}")
    return secret
