"""JSON in and out: a strict parser with limits, and orjson for answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand, Malformed, TooLarge, TooSlow, UnsupportedMediaType

Body = TypeVar("Body", bound=BaseModel)
MAX_DEPTH = 64
PATIENCE_SECONDS = 10.0
"""How long a sender may keep us waiting within a body; each LEAST_RATE bytes win back a second of it."""
LEAST_RATE = 1024


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers, media_type="application/json")


async def read_body(request: Request, most_bytes: int = limits.COMMAND_BODY_BYTES) -> bytes:
    """The body, whole. TooLarge as soon as it is known to be longer than `most_bytes`."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise TooLarge(f"The body has {declared} bytes; at most {most_bytes} are allowed.")
    body = bytearray()
    async for chunk in chunks_of(request):
        body += chunk
        if len(body) > most_bytes:
            raise TooLarge(f"The body has more than {most_bytes} bytes.")
    return bytes(body)


async def chunks_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Malformed if the sender goes away, TooSlow if it pauses for long, or drips.

    Only the time counts in which we wait for the sender, not that in which it waits for us.
    """
    now = asyncio.get_running_loop().time
    stream = request.stream()
    patience = PATIENCE_SECONDS
    while True:
        asked = now()
        try:
            async with asyncio.timeout(max(0.0, patience)):
                chunk = await anext(stream, None)
        except ClientDisconnect:
            raise Malformed("The connection ended before the body did.") from None
        except TimeoutError:
            raise TooSlow(f"The body came more slowly than {LEAST_RATE} bytes a second.") from None
        if chunk is None:
            return
        patience = min(PATIENCE_SECONDS, patience - (now() - asked) + len(chunk) / LEAST_RATE)
        if chunk:
            yield chunk


async def read_command(request: Request, form: type[Body], *, empty_is: bytes = b"") -> tuple[Body, bytes]:
    """The JSON body as a `form`, and its bytes. `empty_is` stands in for an empty body."""
    content_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    content_type, charset = content_type.strip(), parameters.partition("charset=")[2].strip().strip('"')
    raw = await read_body(request)
    if (content_type or raw) and content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedMediaType(f"Send application/json, not {content_type or 'a body without a Content-Type'}.")
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send UTF-8, not {charset}.")
    raw = raw or empty_is
    return validated(form, parse_object(raw)), raw


def validated(form: type[Body], value: Any) -> Body:
    from tensorfleet.http.problems import invalid

    try:
        return form.model_validate(value, strict=True)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False, include_context=False)) from None


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Malformed: not UTF-8, not JSON, not an object, nested over MAX_DEPTH deep, NaN or Infinity, or a key that comes
    twice. InvalidCommand: text with a lone surrogate or NUL, a number beyond 64 bits.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"
        raise Malformed(f"The body is {what}.") from None
    if not isinstance(value, dict):
        raise Malformed("The body is not a JSON object.")
    _check(value, 1)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("The body has an object with the same key twice.")
    return result


def _no_constant(name: str) -> Any:
    raise Malformed(f"The body holds {name}, which is not JSON.")


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else limits.INTEGER_MAX + 1
    if not limits.INTEGER_MIN <= value <= limits.INTEGER_MAX:
        raise InvalidCommand("The body holds an integer beyond 64 bits.")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise InvalidCommand("The body holds a number too large for a 64-bit float.")
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"The body is nested more than {MAX_DEPTH} deep.")
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise InvalidCommand("The body holds text with NUL or a lone surrogate.")
        case dict():
            for key, member in value.items():
                _check(key, depth)
                _check(member, depth + 1)
        case list():
            for member in value:
                _check(member, depth + 1)
