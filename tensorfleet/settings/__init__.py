"""What every service reads from its environment. All that is missing or wrong is reported together, at start."""

from __future__ import annotations

import os
import re
import socket
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode

from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.settings.access import AccessSettings, is_loopback, refuse_weak
from tensorfleet.settings.environment import EnvironmentSettings
from tensorfleet.settings.limits import LimitSettings
from tensorfleet.settings.presign import PresignSettings
from tensorfleet.settings.tls import TlsSettings

_HOST_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_KAFKA_SECRETS: Final = (
    "kafka_sasl_password",
    "kafka_sasl_oauthbearer_client_secret",
    "kafka_ssl_key_password",
    "kafka_ssl_key_pem",
    "kafka_ssl_keystore_password",
)
_KAFKA_OWN: Final = {"KAFKA_BOOTSTRAP_SERVERS", *(f"{name.upper()}_FILE" for name in _KAFKA_SECRETS)}


def parse_bytes(text: Any) -> int:
    """A size like 500MB in bytes; ValueError."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([KMGT]?B?)\s*", str(text).upper())
    if match is None or match[2] not in _UNITS:
        raise ValueError("is not a size like 500MB or 1GB")
    return int(match[1]) * _UNITS[match[2]]


def parse_hosts(text: Any) -> Any:
    """Names of hosts, separated by commas; ValueError."""
    if not isinstance(text, str):
        return text
    names = frozenset(one.strip().lower().removesuffix(".") for one in text.split(",") if one.strip())
    if any(_HOST_NAME.fullmatch(one) is None for one in names):
        raise ValueError("is no list of host names: without scheme, port and wildcards, in ASCII")
    return names


def _is_loopback_alone(host: str) -> bool:
    """Whether only this machine reaches who listens there."""
    try:
        return all(is_loopback(str(one[4][0])) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


ByteSize = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
ByteRoom = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]


class LogSettings(EnvironmentSettings):
    """Where the log is: enough for whoever reads nothing else."""

    registry_id: str = Field(default="tensorfleet", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")
    log_partitions: int = Field(default=6, ge=1, le=1000)
    replication_factor: int = Field(default=1, ge=1, le=7)
    kafka_bootstrap_servers: str
    kafka_sasl_password: SecretStr | None = None
    kafka_sasl_oauthbearer_client_secret: SecretStr | None = None
    kafka_ssl_key_password: SecretStr | None = None
    kafka_ssl_key_pem: SecretStr | None = None
    kafka_ssl_keystore_password: SecretStr | None = None

    @property
    def kafka(self) -> dict[str, str]:
        """librdkafka's own settings: the servers, and every KAFKA_<NAME>; secrets may come from files."""
        passed = {name: value for name, value in os.environ.items() if name.startswith("KAFKA_")}
        secrets = {name.upper(): getattr(self, name) for name in _KAFKA_SECRETS}
        passed |= {name: one.get_secret_value() for name, one in secrets.items() if one is not None}
        named = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): value
            for name, value in passed.items()
            if name not in _KAFKA_OWN
        }
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **named}


class BlobSettings(EnvironmentSettings):
    """Where the files are, and how long what is not needed stays there."""

    minio_endpoint: str
    minio_access_key: SecretStr
    minio_secret_key: SecretStr
    minio_bucket: str = "models"
    minio_secure: bool = False
    minio_ca_file: FilePath | None = None
    blob_grace_hours: float = Field(default=168, ge=0)
    presign_upload_hours: float = Field(default=24, gt=0, le=24 * 7)

    @model_validator(mode="after")
    def _ca_of_a_secure_connection(self) -> Self:
        if self.minio_ca_file is not None and not self.minio_secure:
            raise ValueError("MINIO_CA_FILE is given, and MINIO_SECURE is not true: the connection would not be secure")
        return self


class ReadModelSettings(EnvironmentSettings):
    """Where the read models are."""

    mongodb_url: SecretStr
    mongodb_db: str = "tensorfleet"


class Settings(
    LogSettings, BlobSettings, PresignSettings, ReadModelSettings, AccessSettings, LimitSettings, TlsSettings
):
    """Sizes are in bytes (powers of ten), times in seconds."""

    _strong_secret = field_validator("minio_secret_key")(refuse_weak)

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
    allowed_hosts: Annotated[frozenset[str], NoDecode, BeforeValidator(parse_hosts)] = frozenset()
    advertised_url: str = ""

    @model_validator(mode="after")
    def _narrow_key(self) -> Self:
        if self.presign and self.presign_access_key == self.minio_access_key:
            raise ValueError("PRESIGN_ACCESS_KEY is MINIO_ACCESS_KEY: what signs URLs needs a narrow key of its own")
        return self

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, at start and in `/health/detailed`."""
        if self.enable_auth:
            return ()
        return (f"authentication is off (ENABLE_AUTH): whoever reaches {self.host}:{self.port} may do everything",)

    @property
    def own_hosts(self) -> frozenset[str] | None:
        """The names by which the registry may be asked, beside localhost and addresses; None: by any.

        With authentication on: by any. Else by ALLOWED_HOSTS; if there are none, on loopback by no other name, and on a
        network by any.
        """
        if self.enable_auth or not (self.allowed_hosts or _is_loopback_alone(self.host)):
            return None
        return self.allowed_hosts

    @property
    def own_name(self) -> str:
        """Tells this process from all others, and stays over its restarts."""
        return f"{socket.gethostname()}-{self.port}"

    @property
    def own_url(self) -> str:
        """Where other instances reach this one."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return self.advertised_url or f"{self.scheme}://{host}:{self.port}"


Form = TypeVar("Form", bound=EnvironmentSettings)


def load(form: type[Form], **given: Any) -> Form:
    """The environment's settings; what is `given` goes before them.

    SettingsInvalid with one line for each setting that is missing or wrong; values are never shown.
    """
    try:
        return form(**given)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])).upper(), one["msg"]) for one in error.errors()]
        lines = [f"  {name}: {message}" if name else f"  {message}" for name, message in found]
        raise SettingsInvalid("These settings are missing or wrong:\n" + "\n".join(lines)) from None
