"""What every service reads from its environment. All that is missing or wrong is reported together, at start."""

from __future__ import annotations

import os
import re
import socket
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tensorfleet.access_settings import AccessSettings, refuse_default
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.limit_settings import LimitSettings

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_KAFKA_OWN = {"KAFKA_BOOTSTRAP_SERVERS"}


def parse_bytes(text: Any) -> int:
    """A size like 500MB in bytes; ValueError."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([KMGT]?B?)\s*", str(text).upper())
    if match is None or match[2] not in _UNITS:
        raise ValueError("is not a size like 500MB or 1GB")
    return int(match[1]) * _UNITS[match[2]]


ByteSize = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
ByteRoom = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]


class LogSettings(BaseSettings):
    """Where the log is: enough for whoever reads nothing else."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    registry_id: str = Field(default="tensorfleet", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")
    log_partitions: int = Field(default=6, ge=1, le=1000)
    replication_factor: int = Field(default=1, ge=1, le=7)
    kafka_bootstrap_servers: str

    @property
    def kafka(self) -> dict[str, str]:
        """librdkafka's own settings: the servers, and every KAFKA_<NAME> of the environment passed through."""
        passed = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): value
            for name, value in os.environ.items()
            if name.startswith("KAFKA_") and name not in _KAFKA_OWN
        }
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **passed}


class BlobSettings(BaseSettings):
    """Where the files are."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    minio_endpoint: str
    minio_access_key: SecretStr
    minio_secret_key: SecretStr
    minio_bucket: str = "models"
    minio_secure: bool = False
    blob_grace_hours: float = Field(default=168, ge=0)


class ReadModelSettings(BaseSettings):
    """Where the read models are."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    mongodb_url: SecretStr
    mongodb_db: str = "tensorfleet"


class Settings(LogSettings, BlobSettings, ReadModelSettings, AccessSettings, LimitSettings):
    """Sizes are in bytes (powers of ten), times in seconds."""

    _known_by_all = field_validator("minio_secret_key")(refuse_default)

    host: str = "127.0.0.1"
    port: int = Field(default=8084, ge=1, le=65535)
    max_file_size: ByteSize = 500 * 10**6
    max_page_size: int = Field(default=100, ge=1, le=1000)
    download_timeout: int = Field(default=600, ge=1)
    command_timeout: float = Field(default=9.5, gt=0)
    blob_scrub_bytes_per_second: ByteSize | None = None
    snapshot_every: int = Field(default=50_000, ge=1)
    projection_wait: float = Field(default=2.0, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    cors_origins: str = ""
    advertised_url: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, at start and in `/health/detailed`."""
        if self.enable_auth:
            return ()
        return (f"authentication is off (ENABLE_AUTH): whoever reaches {self.host}:{self.port} may do everything",)

    @property
    def own_name(self) -> str:
        """Tells this process from all others, and stays over its restarts."""
        return f"{socket.gethostname()}-{self.port}"

    @property
    def own_url(self) -> str:
        """Where other instances reach this one."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return self.advertised_url or f"http://{host}:{self.port}"


Form = TypeVar("Form", bound=BaseSettings)


def load(form: type[Form], **given: Any) -> Form:
    """The environment's settings; what is `given` goes before them.

    SettingsInvalid with one line for each setting that is missing or wrong; values are never shown.
    """
    try:
        return form(**given)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise SettingsInvalid("These settings are missing or wrong:\n" + "\n".join(lines)) from None
