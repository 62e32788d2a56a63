"""The environment as all settings read it: a secret is in the variable `NAME`, or in the file named by `NAME_FILE`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Stands for a secret until its setting is validated, so that what is wrong with it is reported with all else."""

    variable: str
    path: Path
    doubled: bool

    def read(self) -> str:
        """The text without the line's end that editors leave; ValueError, which never shows what is in the file."""
        if self.doubled:
            raise ValueError(f"is given twice: {self.variable} is set, too. Unset one of them")
        try:
            text = self.path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"can't be read from {self.path} ({self.variable}): {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"can't be read from {self.path} ({self.variable}): it is not UTF-8") from None
        if not text:
            raise ValueError(f"can't be read from {self.path} ({self.variable}): it is empty")
        return text


class _SecretFiles(EnvSettingsSource):
    """Finds `<NAME>_FILE` for each setting that is a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        secret = SecretStr in (field.annotation, *get_args(field.annotation))
        path = self.env_vars.get(f"{field_name}_file") if secret else None
        if path is None:
            return None, field_name, False
        file = SecretFile(f"{field_name.upper()}_FILE", Path(path), field_name in self.env_vars)
        return file, field_name, False


class EnvironmentSettings(BaseSettings):
    """An empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _SecretFiles(settings_cls), env_settings

    @field_validator("*", mode="before")
    @classmethod
    def _from_its_file(cls, value: Any) -> Any:
        return value.read() if isinstance(value, SecretFile) else value
