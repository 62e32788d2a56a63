"""Fuzz the decoder of events: `python -m tests.fuzz [EXECUTIONS]`. Exit status 0: it raised nothing but Undecodable.

Begins with `corpus/` and with what earlier runs have kept in `.fuzz/`, where a find is put, too, as `crash-*` or
`timeout-*`. fastavro is compiled: libFuzzer is steered by the branches of the codec alone. So half of the inputs are
good records with one value exchanged, which bytes that are changed blindly hardly ever are.
"""

from __future__ import annotations

import io
import random
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris
from fastavro import schemaless_reader, schemaless_writer

with atheris.instrument_imports(include=["tensorfleet.events.codec"]):
    from tensorfleet.events.catalogue import Catalogue
    from tensorfleet.events.codec import Codec, Undecodable

CORPUS = Path(__file__).parent / "corpus"
KEPT = Path(".fuzz")
EXECUTIONS = 1_000_000
MOST_BYTES = 4096
CATALOGUE = Catalogue()
CODEC = Codec(CATALOGUE)
HOSTILE: list[Any] = [
    None,
    "",
    "{}",
    "[]",
    '{"$ref":1}',
    '{"a":' * 70 + "1" + "}" * 70,
    "\0",
    "v0.0",
    -(2**63),
    2**63 - 1,
]


def decode(value: bytes) -> None:
    with suppress(Undecodable):
        CODEC.decode(value)


def exchanged(value: bytes, chance: random.Random) -> bytes:
    """A good record with one value of its section exchanged. Whatever fastavro raises if it can't be written."""
    schema = CATALOGUE.by_id[struct.unpack_from(">I", value, 1)[0]]
    record: Any = schemaless_reader(io.BytesIO(value[5:]), schema.fast, None)
    sections = [one for one in record.values() if isinstance(one, dict) and one]
    place = chance.choice([record, *sections, *sections])
    name = chance.choice(sorted(place))
    old = place[name]
    new = atheris.Mutate(old.encode(), MOST_BYTES).decode("utf-8", "replace") if isinstance(old, str) else None
    place[name] = new if new is not None and chance.random() < 0.7 else chance.choice(HOSTILE)
    out = io.BytesIO()
    schemaless_writer(out, schema.fast, record)
    return value[:5] + out.getvalue()


def mutated(value: bytes, most: int, seed: int) -> bytes:
    chance = random.Random(seed)
    if chance.random() < 0.5:
        try:
            return exchanged(value, chance)[:most]
        except Exception:  # not a good record, or a value that Avro does not take: then it is changed as bytes
            pass
    changed: bytes = atheris.Mutate(value, most)
    return changed


def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else EXECUTIONS
    KEPT.mkdir(exist_ok=True)
    options = [f"-runs={executions}", f"-max_len={MOST_BYTES}", "-timeout=10", f"-artifact_prefix={KEPT}/"]
    atheris.Setup([sys.argv[0], *options, str(KEPT), str(CORPUS)], decode, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
