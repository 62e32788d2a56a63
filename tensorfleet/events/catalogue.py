"""The schema catalogue: which id, subject and version each file in `schemas/` has, for ever.

`schemas/catalogue.json` locks each schema by the SHA-256 of its file. A changed schema is a new file, a new id and a
new version; the old entry stays.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastavro import parse_schema

from tensorfleet.domain.errors import SettingsInvalid

SCHEMAS_DIRECTORY = Path(os.environ.get("SCHEMAS_DIRECTORY", Path(__file__).parents[2] / "schemas"))


@dataclass(frozen=True, slots=True)
class LockedSchema:
    """`text` is the file as published; `fast` is what our codec uses: times and ids stay plain numbers and text."""

    id: int
    record: str
    version: int
    text: str
    published: dict[str, Any]
    fast: Any


class Catalogue:
    """All locked schemas. SettingsInvalid if a file differs from its lock."""

    def __init__(self, directory: Path = SCHEMAS_DIRECTORY) -> None:
        rows = json.loads((directory / "catalogue.json").read_text())
        self.by_id: Mapping[int, LockedSchema] = {row["id"]: _load(directory, row) for row in rows}

    def latest(self, record: str) -> LockedSchema:
        return max((one for one in self.by_id.values() if one.record == record), key=lambda one: one.version)

    def versions(self, record: str) -> list[LockedSchema]:
        return sorted((one for one in self.by_id.values() if one.record == record), key=lambda one: one.version)


def _load(directory: Path, row: dict[str, Any]) -> LockedSchema:
    raw = (directory / row["file"]).read_bytes()
    if hashlib.sha256(raw).hexdigest() != row["sha256"]:
        raise SettingsInvalid(
            f"schemas/{row['file']} is not what id {row['id']} was locked to. A locked schema never changes: "
            "write a new file with a new id and version instead."
        )
    published = json.loads(raw)
    fast = parse_schema(_without_logical_types(published))
    return LockedSchema(row["id"], row["record"], row["version"], raw.decode(), published, fast)


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(member) for member in schema]
    return schema
