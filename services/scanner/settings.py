"""What the scanner reads from its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from tensorfleet.scanning.limits import Limits
from tensorfleet.settings import Settings


class ScannerSettings(Settings):
    """`registry_url`: where commands are taken, and reads answered. `scan_seconds` bounds the scan of one file.

    `registry_api_key` is one with the role scanner; without it, it is ADMIN_API_KEY.
    """

    registry_url: str = "http://127.0.0.1:8084"
    registry_api_key: SecretStr | None = None
    scan_seconds: float = Field(default=Limits().seconds, gt=0)

    @property
    def api_key(self) -> str | None:
        """None while authentication is off."""
        key = self.registry_api_key or self.admin_api_key
        return key.get_secret_value() if key is not None and self.enable_auth else None

    @property
    def limits(self) -> Limits:
        return Limits(seconds=self.scan_seconds)
