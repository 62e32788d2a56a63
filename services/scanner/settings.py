"""What the scanner reads from its environment."""

from __future__ import annotations

from pydantic import Field

from tensorfleet.scanning.limits import Limits
from tensorfleet.settings import Settings


class ScannerSettings(Settings):
    """`registry_url`: where commands are taken, and reads answered. `scan_seconds` bounds the scan of one file."""

    registry_url: str = "http://127.0.0.1:8084"
    scan_seconds: float = Field(default=Limits().seconds, gt=0)

    @property
    def limits(self) -> Limits:
        return Limits(seconds=self.scan_seconds)
