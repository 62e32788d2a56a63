"""The registry's topics: their names, and the settings that each must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_PARTITIONS = 6


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """`settings` are checked at every start; only they decide whether a topic is as it should be."""

    name: str
    partitions: int
    settings: Mapping[str, str]


_FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_COMPACTED = {"cleanup.policy": "compact"}
_A_YEAR = {"cleanup.policy": "delete", "retention.ms": str(366 * 24 * 3600 * 1000), "retention.bytes": "-1"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic of one registry; `registry` prefixes them, so that registries can share a cluster."""

    registry: str
    partitions: int = DEFAULT_PARTITIONS

    @property
    def log(self) -> str:
        return f"{self.registry}.model.log.v1"

    @property
    def feed(self) -> str:
        return f"{self.registry}.model.events.v1"

    @property
    def state(self) -> str:
        return f"{self.registry}.model.state.v1"

    @property
    def downloads(self) -> str:
        return f"{self.registry}.model.downloads.v1"

    @property
    def access_keys(self) -> str:
        return f"{self.registry}.access.keys.v1"

    @property
    def access_audit(self) -> str:
        return f"{self.registry}.access.audit.v1"

    @property
    def dead_letters(self) -> str:
        return f"{self.registry}.dlq.v1"

    def group(self, purpose: str) -> str:
        return f"{self.registry}.{purpose}"

    @property
    def specs(self) -> tuple[TopicSpec, ...]:
        return (
            TopicSpec(self.log, self.partitions, _FOREVER),
            TopicSpec(self.feed, self.partitions, _FOREVER),
            TopicSpec(self.state, self.partitions, _COMPACTED),
            TopicSpec(self.downloads, self.partitions, _FOREVER),
            TopicSpec(self.access_keys, 1, _COMPACTED),
            TopicSpec(self.access_audit, 1, _A_YEAR),
            TopicSpec(self.dead_letters, self.partitions, _FOREVER),
        )

    @property
    def subjects(self) -> Mapping[str, str]:
        """Schema Registry subject (`<topic>-value`) to the name of its record."""
        return {
            f"{self.log}-value": "ModelEvent",
            f"{self.feed}-value": "ModelEvent",
            f"{self.downloads}-value": "ModelEvent",
            f"{self.state}-value": "ModelState",
        }
