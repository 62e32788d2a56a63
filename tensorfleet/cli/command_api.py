"""Commands that go to a running registry, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr

from tensorfleet.domain.errors import LogUnavailable, Rejected
from tensorfleet.settings import load
from tensorfleet.settings.environment import EnvironmentSettings

_SECONDS: Final = 30.0


class _KeySettings(EnvironmentSettings):
    tensorfleet_api_key: SecretStr = SecretStr("")


def api_key(given: str) -> str:
    """That of the command line, or what the environment has: the key, or the name of the file that holds it."""
    return given or load(_KeySettings).tensorfleet_api_key.get_secret_value()


ApiKeyOption = Annotated[
    str,
    typer.Option(
        callback=api_key,
        help="A key, if the registry asks for one; better in TENSORFLEET_API_KEY or the file TENSORFLEET_API_KEY_FILE.",
        show_default=False,
    ),
]
RegistryUrlOption = Annotated[str, typer.Option(envvar="REGISTRY_URL", help="Where the registry answers.")]


def discard_parked_records(
    url: str, model_id: str, reason: str, first_offset: int, last_offset: int, api_key: str
) -> str:
    """The position of the event in the log. Rejected if the registry refuses, LogUnavailable if it does not answer."""
    body = {"model_id": model_id, "reason": reason, "first_offset": first_offset, "last_offset": last_offset}
    return _send("POST", url, "/api/v1/dead-letters/discard", body, api_key)


def delete_archived(url: str, model_id: str, version: str | None, api_key: str) -> str:
    """Delete a model or a version of it, unless it is not archived any more. As `discard_parked_records`."""
    path = f"/api/v1/models/{model_id}" + (f"/versions/{version}" if version is not None else "")
    return _send("DELETE", url, f"{path}?if_status=archived", {}, api_key)


def _send(method: str, url: str, target: str, body: dict[str, Any], api_key: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Rejected(f"{url!r} is not the URL of a registry.")
    request = urllib.request.Request(  # noqa: S310 (it was looked at above)
        url.rstrip("/") + target,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
            **({"X-API-Key": api_key} if api_key else {}),
        },
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
