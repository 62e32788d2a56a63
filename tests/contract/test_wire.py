"""The wire is locked: golden bytes per event type, schemas that can't change, versions that stay compatible."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fullname

from tensorfleet.domain import events as e
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.events.catalogue import SCHEMAS_DIRECTORY, Catalogue
from tensorfleet.events.codec import Undecodable
from tensorfleet.events.envelope import OwnershipClaimed
from tests.builders import CODEC, blob, envelope

GOLDEN = Path(__file__).parent / "golden.json"
CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
MAPS: dict[str, Any] = {
    "hyperparameters": {"depth": 3, "rate": 0.1, "big": 2**63 - 1, "nested": {"a": [1, None, True]}},
    "metrics": {"accuracy": 0.9712, "n": -(2**63), "tiny": 5e-324},
    "dataset_info": {"name": "данные"},
}
FIELDS: dict[str, Any] = {
    "algorithm": "xgboost",
    "framework": "f",
    "description": "d\nd",
    "tags": ("a", "б"),
    "created_by": "c",
}
EVENTS = [
    e.ModelRegistered("v1.0", **FIELDS, **MAPS),
    e.ModelUpdated("v1.0", tags=(), metrics={"a": None, "b": 1}, version_status=e.Status.ARCHIVED),
    e.ModelVersioned("v2.0", "v1.0", True, **FIELDS, **MAPS),
    e.ModelFileAttached("v1.0", blob(), "v1.0"),
    e.ModelDeprecated("v1.0", "why", "0" * 24),
    e.ModelArchived(None),
    e.ModelRestored(None, undeleted=True),
    e.ModelDeleted(),
    e.ModelVersionDeleted("v2.0", "v1.0", None),
    e.ModelDownloaded("v1.0", "xgboost", 45_672_840),
    e.MetricsReported("v1.0", {"loss": 0.25, "batches": 7}, 12, 1_795_262_400_000_001, "training"),
    e.ParkedRecordsDiscarded(7, 9, "written by hand"),
    e.ArtifactScanned(
        "v1.0",
        "ab" * 32,
        e.ScanVerdict.DANGEROUS,
        "torch+pickle",
        (e.ScanFinding(e.Severity.DANGEROUS, "gadget", "data.pkl@12", "os.system"),),
        "tensorfleet 1",
    ),
    e.ArtifactReleased("v1.0", "ab" * 32, "looked at by hand"),
    e.ArtifactFoundCorrupt("v1.0", "ab" * 32, None, "download"),
    e.ArtifactRepaired("v1.0", "ab" * 32, "verify-blobs"),
    OwnershipClaimed("http://127.0.0.1:8084", "one"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: type(one).__name__)
def test_the_bytes_of_each_event_type_are_golden(event: Any) -> None:
    golden = json.loads(GOLDEN.read_text())
    value = CODEC.encode(envelope(event))
    assert value.hex() == golden[type(event).__name__]
    assert CODEC.decode(value) == envelope(event)


def test_every_schema_and_field_is_documented() -> None:
    def undocumented(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [one for member in schema for one in undocumented(member, path)]
        if not isinstance(schema, dict):
            return []
        found = [path] if schema["type"] == "record" and not schema.get("doc") else []
        for field in schema.get("fields", []):
            found += [] if field.get("doc") else [f"{path}.{field['name']}"]
            found += undocumented(field["type"], f"{path}.{field['name']}")
        return found + undocumented(schema.get("items", []), path) + undocumented(schema.get("values", []), path)

    for locked in Catalogue().by_id.values():
        assert undocumented(locked.published, locked.record) == []


def test_a_changed_schema_file_is_refused(tmp_path: Path) -> None:
    for file in SCHEMAS_DIRECTORY.iterdir():
        if file.suffix in (".avsc", ".json"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    Catalogue(tmp_path)
    changed = tmp_path / "model_event.v1.avsc"
    changed.write_text(changed.read_text().replace("Ownership term", "Term"))
    with pytest.raises(SettingsInvalid, match="locked"):
        Catalogue(tmp_path)


LOCKED = {
    1: "model_event.v1.avsc",
    2: "model_state.v1.avsc",
    3: "model_event.v2.avsc",
    4: "model_event.v3.avsc",
    5: "model_state.v2.avsc",
    10: "access_key.v1.avsc",
    11: "access_record.v1.avsc",
}


def test_the_catalogue_keeps_what_was_ever_locked() -> None:
    rows = {row["id"]: row for row in json.loads((SCHEMAS_DIRECTORY / "catalogue.json").read_text())}
    for schema_id, file in LOCKED.items():
        assert rows[schema_id]["file"] == file
    golden = json.loads(GOLDEN.read_text())
    assert {str(number): row["sha256"] for number, row in rows.items()} == golden["locks"]
    for row in rows.values():
        assert hashlib.sha256((SCHEMAS_DIRECTORY / row["file"]).read_bytes()).hexdigest() == row["sha256"]


def incompatible(reader: Any, writer: Any, path: str = "") -> list[str]:
    """Where `reader` could not read what `writer` wrote, by the resolution rules of Avro 1.12 for what we use."""
    if isinstance(writer, list):
        branches = reader if isinstance(reader, list) else [reader]
        unread = [one for one in writer if all(incompatible(mine, one, path) for mine in branches)]
        return [f"{path}: a branch of the union"] if unread else []
    if isinstance(reader, list):
        return [] if any(not incompatible(one, writer, path) for one in reader) else [f"{path}: no branch fits"]
    kind = writer["type"] if isinstance(writer, dict) else writer
    mine = reader["type"] if isinstance(reader, dict) else reader
    if kind != mine:
        return [f"{path}: {mine} can't read {kind}"]
    if kind == "record":
        return _incompatible_records(reader, writer, path)
    if kind == "fixed":
        return [] if reader["size"] == writer["size"] else [f"{path}: another size"]
    if kind in ("array", "map"):
        member = "items" if kind == "array" else "values"
        return incompatible(reader[member], writer[member], path)
    return []


def _incompatible_records(reader: Any, writer: Any, path: str) -> list[str]:
    if fullname(reader) != fullname(writer):
        return [f"{path}: another name"]
    theirs = {field["name"]: field for field in writer["fields"]}
    found = []
    for field in reader["fields"]:
        name = field["name"]
        if name in theirs:
            found += incompatible(field["type"], theirs[name]["type"], f"{path}.{name}")
        elif "default" not in field:
            found.append(f"{path}.{name}: no default")
    return found


def test_every_two_versions_of_a_record_read_each_other() -> None:
    catalogue = Catalogue()
    for record in {one.record for one in catalogue.by_id.values()}:
        for old, new in combinations(catalogue.versions(record), 2):
            assert incompatible(new.published, old.published) == []
            assert incompatible(old.published, new.published) == []


def test_the_compatibility_check_notices_what_would_break() -> None:
    schema = Catalogue().latest("ModelEvent").published

    def with_field(**field: Any) -> dict[str, Any]:
        return {**schema, "fields": [*schema["fields"], field]}

    optional = with_field(name="note", type=["null", "string"], default=None)
    required = with_field(name="note", type="string")
    retyped = {**schema, "fields": [{**schema["fields"][0], "type": "string"}, *schema["fields"][1:]]}
    assert incompatible(optional, schema) == incompatible(schema, optional) == []
    assert incompatible(required, schema) != []
    assert incompatible(retyped, schema) != []


def test_the_head_of_a_record_is_a_frozen_prefix() -> None:
    prefix = ["epoch", "sequence", "event_type", "model_id", "event_id", "command_id", "previous_hash"]
    for locked in Catalogue().versions("ModelEvent"):
        assert [field["name"] for field in locked.published["fields"][:7]] == prefix


GOOD = CODEC.encode(envelope(EVENTS[0]))
HOSTILE = [
    ("empty", b""),
    ("only a prefix", GOOD[:5]),
    ("another magic byte", b"\x01" + GOOD[1:]),
    ("an unknown schema", b"\0\0\0\x27\x0f" + GOOD[5:]),
    ("the state's schema", b"\0\0\0\0\x02" + GOOD[5:]),
    ("truncated", GOOD[:-1]),
    ("trailing bytes", GOOD + b"\0"),
    ("text that claims 100 MB", GOOD[:5] + b"\x02\x02" + b"\x80\xe1\xeb\x17" + b"x"),
    ("a text with a negative length", GOOD[:5] + b"\x02\x02\x01" + GOOD[8:]),
    ("over 8 MiB", b"\0\0\0\0\x01" + bytes(9 * 1024 * 1024)),
    ("JSON", b'{"event_type": "ModelRegistered"}'),
]


@pytest.mark.parametrize("value", [one[1] for one in HOSTILE], ids=[one[0] for one in HOSTILE])
def test_hostile_bytes_are_undecodable(value: bytes) -> None:
    with pytest.raises(Undecodable):
        CODEC.decode(value)


@pytest.mark.parametrize("file", sorted(CORPUS.iterdir()), ids=lambda file: file.name)
def test_what_fuzzing_begins_with_and_what_it_found_is_an_envelope_or_undecodable(file: Path) -> None:
    """`make fuzz` goes on from here; a find of its is put beside them."""
    try:
        CODEC.decode(file.read_bytes())
        good = True
    except Undecodable:
        good = False
    assert good == (file.name in {type(event).__name__ for event in EVENTS})


@pytest.mark.parametrize("depth", [64, 65, 600, 1020, 100_000])
@pytest.mark.parametrize("innermost", ["", '{"$":1}'])
def test_a_json_field_that_is_too_deep_is_undecodable_to_every_reader(depth: int, innermost: str) -> None:
    """A recursion over it would end one reader, and not another whose stack has more room, again after each restart."""
    lists = depth - 1 - innermost.count("{")
    text = f'{{"a":{"[" * lists}{innermost}{"]" * lists}}}'
    written = orjson.dumps(MAPS["hyperparameters"])
    assert GOOD.count(written) == 1
    value = GOOD.replace(_length(len(written)) + written, _length(len(text)) + text.encode())
    if depth <= 64:
        assert asdict(CODEC.decode(value).event)["hyperparameters"] == orjson.loads(text)
    else:
        with pytest.raises(Undecodable):
            CODEC.decode(value)


def _length(number: int) -> bytes:
    """As Avro writes it: zigzag, seven bits a byte, the lowest first."""
    number, out = number << 1, bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_any_single_changed_bit_is_an_envelope_or_undecodable_and_nothing_else() -> None:
    refused = 0
    for bit in range(8 * len(GOOD)):
        value = bytearray(GOOD)
        value[bit // 8] ^= 1 << bit % 8
        try:
            CODEC.decode(bytes(value))
        except Undecodable:
            refused += 1
    assert refused > len(GOOD)


def test_a_record_with_two_sections_is_undecodable() -> None:
    # The section of ModelDeleted has no fields: one byte turns its null into an empty record.
    assert GOOD.endswith(b"\0" * 10)
    with pytest.raises(Undecodable, match="exactly one section"):
        CODEC.decode(GOOD[:-4] + b"\x02" + GOOD[-3:])


def test_a_plain_avro_reader_reads_the_published_schema() -> None:
    import io

    schema = parse_schema(Catalogue().by_id[1].published)
    record: Any = schemaless_reader(io.BytesIO(GOOD[5:]), schema, None)
    assert (record["event_type"], record["occurred_at"].microsecond) == ("ModelRegistered", 123456)
    out = io.BytesIO()
    schemaless_writer(out, schema, record)
    assert out.getvalue() == GOOD[5:]


def test_each_event_is_written_in_the_oldest_schema_that_has_it_and_read_in_every_one() -> None:
    reported, scanned = (CODEC.encode(envelope(EVENTS[number])) for number in (10, 12))
    assert (GOOD[:5], reported[:5], scanned[:5]) == (b"\0\0\0\0\x01", b"\0\0\0\0\x03", b"\0\0\0\0\x04")
    for prefix, more in ((b"\0\0\0\0\x03", 2), (b"\0\0\0\0\x04", 6)):
        newer = prefix + GOOD[5:] + bytes(more)  # the same record with more empty sections
        assert CODEC.decode(newer) == CODEC.decode(GOOD) == envelope(EVENTS[0])
