"""What becomes of a download because of what is known of the file: its verdict, and whether storage still has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tensorfleet.domain.errors import ArtifactCorrupt, ArtifactQuarantined
from tensorfleet.domain.events import ScanVerdict

SCAN_VERDICT: Final = "X-Scan-Verdict"
ScanPolicy = Literal["off", "warn", "quarantine"]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`off`: verdicts are not looked at. `warn`: they are told. `quarantine`: dangerous files are kept back, too.

    `required` keeps back what nobody could judge as well, and what has not been judged yet.
    """

    policy: ScanPolicy = "quarantine"
    required: bool = False

    def headers(self, version: Mapping[str, Any]) -> dict[str, str]:
        """For a download of the file of this version. ArtifactQuarantined, ArtifactCorrupt."""
        if version["corrupt"]:
            raise ArtifactCorrupt(version["model_id"], version["version"])
        if self.policy == "off":
            return {}
        scan = version["scan"]
        if self.policy == "quarantine" and scan["verdict"] in self._kept_back and not scan["released"]:
            raise ArtifactQuarantined(version["model_id"], version["version"], scan["verdict"])
        return {SCAN_VERDICT: scan["verdict"]}

    @property
    def _kept_back(self) -> tuple[ScanVerdict, ...]:
        unknown = (ScanVerdict.UNSCANNED,) if self.required else ()
        return (ScanVerdict.DANGEROUS, *unknown)


DEFAULT_QUARANTINE: Final = Quarantine()
