"""Commands that go to a running registry, over HTTP."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
import uuid
from typing import Annotated, Any, Final

import typer

from tensorfleet.domain.errors import LogUnavailable, Rejected

_SECONDS: Final = 30.0
RegistryUrlOption = Annotated[str, typer.Option(envvar="REGISTRY_URL", help="Where the registry answers.")]


def discard_parked_records(url: str, model_id: str, reason: str, first_offset: int, last_offset: int) -> str:
    """The position of the event in the log. Rejected if the registry refuses, LogUnavailable if it does not answer."""
    body = {"model_id": model_id, "reason": reason, "first_offset": first_offset, "last_offset": last_offset}
    return _send("POST", url, "/api/v1/dead-letters/discard", body)


def delete_archived(url: str, model_id: str, version: str | None) -> str:
    """Delete a model or a version of it, unless it is not archived any more. As `discard_parked_records`."""
    path = f"/api/v1/models/{model_id}" + (f"/versions/{version}" if version is not None else "")
    return _send("DELETE", url, f"{path}?if_status=archived", {})


def _send(method: str, url: str, target: str, body: dict[str, Any]) -> str:
    """With the API key in REGISTRY_API_KEY, if there is one."""
    if not url.startswith(("http://", "https://")):
        raise Rejected(f"{url!r} is not the URL of a registry.")
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    key = os.environ.get("REGISTRY_API_KEY")
    request = urllib.request.Request(  # noqa: S310 (it was looked at above)
        url.rstrip("/") + target,
        data=json.dumps(body).encode(),
        headers={**headers, **({"X-API-Key": key} if key else {})},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return str(answer.headers["X-Registry-Position"])
    except urllib.error.HTTPError as error:
        raise Rejected(f"The registry refuses ({error.code}): {_detail(error)}") from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise LogUnavailable(f"The registry at {url} does not answer: {error}") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        members: Any = json.loads(error.read())
        return str(members["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
