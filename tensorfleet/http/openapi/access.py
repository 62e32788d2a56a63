"""What the OpenAPI document says of keys and roles; all of it comes from the table of routes."""

from __future__ import annotations

from typing import Any, Final

from tensorfleet.http.access.routes_table import Limited, Metered, entry_for
from tensorfleet.http.openapi.operations import TOO_MANY, problems

SCHEMES: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key, as tfr_<id>_<secret>."},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of the OIDC provider."},
}
_LIMITED: Final = {
    Limited.OWN: "A key that is limited to a prefix sees and changes models of that prefix alone.",
    Limited.REFUSED: "Not for keys that are limited to a prefix.",
}


def declare_access(document: dict[str, Any], *, guarded: bool, limited: bool) -> None:
    """`guarded`: calls take a key. `limited`: not as often as one likes. The roles are told in any case."""
    document["components"]["securitySchemes"] = SCHEMES
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _declare(path, method, operation, guarded=guarded, limited=limited)


def _declare(path: str, method: str, operation: dict[str, Any], *, guarded: bool, limited: bool) -> None:
    # The document writes {name:path} as {name}.
    entry = entry_for(method.upper(), path) or entry_for(method.upper(), path.replace("{name}", "{name:path}"))
    assert entry is not None, path
    if limited and entry.metered is not Metered.NOT:
        operation["responses"]["429"] = TOO_MANY
    if entry.role is None:
        operation["security"] = []
        return
    operation["security"] = [{name: []} for name in SCHEMES] if guarded else []
    operation["x-required-role"] = str(entry.role)
    if entry.limited in _LIMITED:
        operation["x-limited-keys"] = _LIMITED[entry.limited]
    operation["responses"].update({str(status): one for status, one in problems(401, 403).items()})
