"""The one table from route to what it takes: the role, and what a key that is limited to some models gets there.

A route that is not in it does not start (`tensorfleet/http/access/guard.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tensorfleet.access.roles import Role


class Limited(StrEnum):
    """What a key gets that is limited to a prefix of model names."""

    OWN = "own"
    """The route itself shows and changes models of the prefix alone."""
    ALIKE = "alike"
    """Nothing in it depends on models."""
    REFUSED = "refused"
    """403: it tells of all models, and can't be limited."""


class Public(StrEnum):
    """A setting that opens a route to all."""

    DOCS = "docs"
    METRICS = "metrics"


class Metered(StrEnum):
    """Which limits of how often one may ask hold for a route."""

    NOT = "not"
    REQUEST = "request"
    DOWNLOAD = "download"
    """That of downloads too; HEAD is only a request."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`role` None: open to all."""

    role: Role | None
    limited: Limited
    public: Public | None = None
    metered: Metered = Metered.REQUEST


_OPEN: Final = Entry(None, Limited.ALIKE)
_PROBED: Final = Entry(None, Limited.ALIKE, metered=Metered.NOT)
_READ: Final = Entry(Role.READER, Limited.OWN)
_READ_WHOLE: Final = Entry(Role.READER, Limited.REFUSED)
_READ_ALIKE: Final = Entry(Role.READER, Limited.ALIKE)
_DOWNLOAD: Final = Entry(Role.DOWNLOADER, Limited.OWN, metered=Metered.DOWNLOAD)
_WRITE: Final = Entry(Role.WRITER, Limited.OWN)
_SCAN: Final = Entry(Role.SCANNER, Limited.OWN)
_ADMIN: Final = Entry(Role.ADMIN, Limited.REFUSED)
_DOCS: Final = Entry(Role.READER, Limited.ALIKE, Public.DOCS)
_METRICS: Final = Entry(Role.READER, Limited.REFUSED, Public.METRICS)

_MODELS: Final = "/api/v1/models"
_MODEL: Final = f"{_MODELS}/{{model_id}}"
_UPLOAD: Final = f"{_MODEL}/uploads/{{upload_id}}"

ROUTES: Final[Mapping[str, Entry]] = {
    f"POST {_MODELS}": _WRITE,
    f"POST {_MODELS}/batch": _WRITE,
    f"PUT {_MODEL}": _WRITE,
    f"PATCH {_MODEL}": _WRITE,
    f"DELETE {_MODEL}": _WRITE,
    f"POST {_MODEL}/versions": _WRITE,
    f"DELETE {_MODEL}/versions/{{version}}": _WRITE,
    f"POST {_MODEL}/upload": _WRITE,
    f"POST {_MODEL}/uploads": _WRITE,
    f"GET {_UPLOAD}": _WRITE,
    f"DELETE {_UPLOAD}": _WRITE,
    f"POST {_UPLOAD}/complete": _WRITE,
    f"POST {_MODEL}/deprecate": _WRITE,
    f"POST {_MODEL}/archive": _WRITE,
    f"POST {_MODEL}/restore": _WRITE,
    f"POST {_MODEL}/metrics": _WRITE,
    f"POST {_MODEL}/versions/{{version}}/scan": _SCAN,
    f"POST {_MODEL}/versions/{{version}}/release": _ADMIN,
    "POST /api/v1/dead-letters/discard": _ADMIN,
    f"GET {_MODELS}": _READ,
    f"GET {_MODELS}/search": _READ,
    f"GET {_MODELS}/popular": _READ,
    f"GET {_MODELS}/recent": _READ,
    f"GET {_MODELS}/compare": _READ,
    f"GET {_MODELS}/statistics": _READ,
    "GET /api/v1/statistics": _READ,
    f"GET {_MODELS}/by-name/{{name:path}}": _READ,
    f"GET {_MODEL}": _READ,
    f"GET {_MODEL}/info": _READ,
    f"GET {_MODEL}/versions": _READ,
    f"GET {_MODEL}/versions/{{version}}": _READ,
    f"GET {_MODEL}/history": _READ,
    f"GET {_MODEL}/verify": _READ,
    f"GET {_MODEL}/metrics/history": _READ,
    f"GET {_MODEL}/downloads": _READ,
    f"GET {_MODEL}/download": _DOWNLOAD,
    f"GET {_MODEL}/download-url": _DOWNLOAD,
    "GET /api/v1/audit": _READ,
    "GET /api/v1/events": _READ,
    "GET /api/v1/events/stream": _READ,
    "POST /api/v1/keys": _ADMIN,
    "GET /api/v1/keys": _ADMIN,
    "DELETE /api/v1/keys/{key_id}": _ADMIN,
    "GET /api/v1/audit/denials": _ADMIN,
    "GET /schemas/types": _READ_ALIKE,
    "GET /schemas/ids/{schema_id}": _READ_ALIKE,
    "GET /subjects": _READ_ALIKE,
    "GET /subjects/{subject}/versions": _READ_ALIKE,
    "GET /subjects/{subject}/versions/{version}": _READ_ALIKE,
    "GET /config": _READ_ALIKE,
    "GET /mode": _READ_ALIKE,
    "GET /health": _READ_WHOLE,
    "GET /health/detailed": _READ_WHOLE,
    # Whoever starts and stops processes has no key, and asks often: these two tell no more than yes or no.
    "GET /health/live": _PROBED,
    "GET /health/ready": _PROBED,
    "GET /metrics": _METRICS,
    "GET /docs": _DOCS,
    "GET /docs/oauth2-redirect": _DOCS,
    "GET /redoc": _DOCS,
    "GET /openapi.json": _DOCS,
    "GET /docs/problems": _OPEN,
    # Between instances, which know one another by a token that the route itself asks for.
    "POST /internal/v2/commands": _PROBED,
}


def entry_for(method: str, path: str) -> Entry | None:
    """What the route takes, by its method and the template of its path; HEAD is as GET."""
    return ROUTES.get(f"{'GET' if method == 'HEAD' else method} {path}")
