"""Dead letters as text for a terminal, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.fold import model_id_in
from tensorfleet.events.letters import Letter
from tensorfleet.events.partial import read_partially
from tensorfleet.mongo.parked_models import ParkedModel

_LINE_BYTES: Final = 16
_MOST_BYTES_SHOWN: Final = 1024


def listed(shown: Sequence[Letter], parked: Mapping[str, ParkedModel], others: int) -> str:
    lines = [f"{len(parked):,} model{'' if len(parked) == 1 else 's'} parked, {len(shown):,} dead letters shown"]
    if shown:
        lines.append(f"{'position':<12} {'model':<24} {'reason':<14} detail")
    for one in shown:
        model_id = model_id_in(one.key) or "-"
        mark = " " if model_id in parked else "*"
        lines.append(
            f"{one.position!s:<12} {model_id:<24} {one.reason:<14} {_printable(one.detail)[:120]}{mark}".rstrip()
        )
    if any(model_id_in(one.key) not in parked for one in shown):
        lines.append("* the model does not wait (any more), or the record names none")
    if others:
        lines.append(f"{others:,} more are of models that do not wait (any more): --all shows them")
    return "\n".join(lines)


def described(one: Letter, catalogue: Catalogue) -> str:
    read = read_partially(one.value, catalogue)
    lines = [
        f"{one.topic} {one.position}",
        f"  reason   {one.reason}: {_printable(one.detail)}",
        f"  key      {_text(one.key)}",
        f"  written  {_time(one.timestamp)} (the dead letter)",
        *(f"  header   {_printable(name)}: {_text(value)}" for name, value in one.headers),
        f"  schema   {'none' if read.schema_id is None else read.schema_id}",
        *(f"  field    {name}: {_plain(value).decode()}" for name, value in read.fields.items() if value is not None),
        f"  then     {read.stopped or 'the record ends as it should'}",
        f"  value    {one.size:,} bytes",
    ]
    return "\n".join([*lines, *_hex(one.value[:_MOST_BYTES_SHOWN])])


def as_json(one: Letter, parked: Mapping[str, ParkedModel], catalogue: Catalogue) -> str:
    read, model_id = read_partially(one.value, catalogue), model_id_in(one.key)
    members = {
        "topic": one.topic,
        "position": str(one.position),
        "model_id": model_id,
        "parked": model_id in parked,
        "reason": one.reason,
        "detail": one.detail,
        "key": None if one.key is None else one.key.hex(),
        "bytes": one.size,
        "value": one.value.hex(),
        "headers": [[name, None if value is None else value.hex()] for name, value in one.headers],
        "schema_id": read.schema_id,
        "fields": read.fields,
        "stopped": read.stopped,
    }
    return _plain(members).decode()


def sentence(one: ParkedModel) -> str:
    return f"The model {one.model_id} waits since {one.first} ({one.reason}); its last record is at {one.last}."


def _hex(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _LINE_BYTES):
        part = value[start : start + _LINE_BYTES]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"  {start:08x}  {part.hex(' '):<{3 * _LINE_BYTES}} {shown}"


def _plain(value: Any) -> bytes:
    return orjson.dumps(value, default=lambda one: one.hex() if isinstance(one, bytes) else str(one))


def _text(value: bytes | None) -> str:
    return "none" if value is None else _printable(value.decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """A hostile record must not talk to the terminal."""
    return "".join(one if one.isprintable() else "." for one in text)


def _time(milliseconds: int | None) -> str:
    return "?" if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(" ", "seconds")
