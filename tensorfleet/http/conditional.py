"""Conditional answers: entity tags, `If-None-Match`, and answers with a tag made from their bytes (RFC 9110, 13)."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from tensorfleet.http.json import dumps

REVALIDATE: Final = "private, no-cache"
"""Keep it, and ask each time whether it still holds."""
FOR_EVER: Final = "public, max-age=31536000, immutable"
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def etag_of(body: bytes) -> str:
    """A strong tag: the same bytes, the same tag, on every instance."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names `etag`, by weak comparison, or is `*`."""
    given = ",".join(request.headers.getlist("if-none-match"))
    if given.strip() == "*":
        return True
    return etag.removeprefix("W/") in (tag.removeprefix("W/") for tag in _TAG.findall(given))


def is_named(headers: Headers, etag: str) -> bool:
    """Whether `If-None-Match` holds exactly this tag, weak or strong as it is."""
    return any(etag in _TAG.findall(one) for one in headers.getlist("if-none-match"))


def range_still_applies(request: Request, etag: str) -> bool:
    """Whether `If-Range` is absent or names `etag`, by strong comparison; we give no dates, so none can match."""
    given = request.headers.get("if-range")
    return given is None or (given.strip() == etag and not etag.startswith("W/"))


def conditional_json(
    request: Request,
    value: Any,
    *,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
    cache_control: str = REVALIDATE,
) -> Response:
    """200 with `value` and its tag, or 304 if the client has it already."""
    body = dumps(value)
    headers = {**(headers or {}), "ETag": etag_of(body), "Cache-Control": cache_control}
    if is_unchanged(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, media_type=media_type)
