"""The settings of transfers that go straight to storage, by URLs that the registry signs. Off by default."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from tensorfleet.settings.access import refuse_weak
from tensorfleet.settings.environment import EnvironmentSettings

_ORIGIN: Final = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?", re.ASCII)
_USUAL_PORTS: Final = {"http": "80", "https": "443"}
_MOST_URL_SECONDS: Final = 7 * 86_400
"""S3 takes no URL that is good for longer."""


def parse_origin(text: Any) -> Any:
    """`http://host:port` as clients name it, without the port that goes without saying; ValueError."""
    match = _ORIGIN.fullmatch(str(text))
    if match is None:
        raise ValueError("is no address like https://storage.example:9000, without a path")
    scheme, host, port = match.groups()
    usual = port is None or port == _USUAL_PORTS[scheme]
    return f"{scheme}://{host.lower()}" if usual else f"{scheme}://{host.lower()}:{port}"


class PresignSettings(EnvironmentSettings):
    """`presign_endpoint` is where clients reach storage.

    The key signs URLs, and should be able to do no more than they say: docs/presign.md.
    """

    presign: bool = False
    presign_endpoint: Annotated[str, BeforeValidator(parse_origin)] | None = None
    presign_access_key: SecretStr | None = None
    presign_secret_key: SecretStr | None = None
    presign_url_seconds: int = Field(default=900, ge=1, le=_MOST_URL_SECONDS)

    _strong_presign_secret = field_validator("presign_secret_key")(refuse_weak)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = {
            "PRESIGN_ENDPOINT": self.presign_endpoint,
            "PRESIGN_ACCESS_KEY": self.presign_access_key,
            "PRESIGN_SECRET_KEY": self.presign_secret_key,
        }
        missing = [name for name, value in needed.items() if value is None]
        if self.presign and missing:
            raise ValueError(f"PRESIGN is true, and {', '.join(missing)} is missing: see docs/presign.md")
        return self
