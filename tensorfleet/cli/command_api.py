"""Commands that go to a running registry, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Annotated, Any, Final

import typer

from tensorfleet.domain.errors import LogUnavailable, Rejected

_SECONDS: Final = 30.0
ApiKeyOption = Annotated[
    str, typer.Option(envvar="TENSORFLEET_API_KEY", help="A key, if the registry asks for one.", show_default=False)
]
RegistryUrlOption = Annotated[str, typer.Option(envvar="REGISTRY_URL", help="Where the registry answers.")]


def discard_parked_records(
    url: str, model_id: str, reason: str, first_offset: int, last_offset: int, api_key: str
) -> str:
    """The position of the event in the log. Rejected if the registry refuses, LogUnavailable if it does not answer."""
    body = {"model_id": model_id, "reason": reason, "first_offset": first_offset, "last_offset": last_offset}
    if not url.startswith(("http://", "https://")):
        raise Rejected(f"{url!r} is not the URL of a registry.")
    request = urllib.request.Request(  # noqa: S310 (it was looked at above)
        f"{url.rstrip('/')}/api/v1/dead-letters/discard",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
            **({"X-API-Key": api_key} if api_key else {}),
        },
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
