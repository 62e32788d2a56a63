"""Examples of files: through the registry, and straight to and from storage."""

from __future__ import annotations

from typing import Any, Final

_UPLOAD: Final[dict[str, Any]] = {
    "model_id": "d7b44809a0359169b755a703",
    "version": "v1.0",
    "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    "state": "open",
    "filename": "model.safetensors",
    "size_bytes": 20_000_000,
    "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
    "part_size": 16_777_216,
    "part_count": 2,
    "missing": 1,
    "expires_at": "2026-11-23T01:08:59.680606Z",
    "received": [{"number": 1, "size_bytes": 16_777_216, "etag": "0cc175b9c0f1b6a831c399e269772661"}],
    "urls": [
        {
            "number": 2,
            "offset": 16_777_216,
            "size_bytes": 3_222_784,
            "url": "https://storage.example/models/staging/5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b?partNumber=2&...",
            "expires_at": "2026-11-22T01:23:59.000000Z",
        }
    ],
}
REQUESTS: Final[dict[str, Any]] = {
    "begin_upload": {
        "size_bytes": 20_000_000,
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "filename": "model.safetensors",
    },
}
ANSWERS: Final[dict[str, Any]] = {
    "upload_file": {
        "success": True,
        "message": "File uploaded successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "file": {
            "size_bytes": 29,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "binary",
            "filename": "model.bin",
        },
    },
    "begin_upload": {"success": True, "message": "Upload begun", **_UPLOAD},
    "get_upload": _UPLOAD,
    "complete_upload": {
        "success": True,
        "message": "File uploaded successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "file": {
            "size_bytes": 20_000_000,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "safetensors",
            "filename": "model.safetensors",
        },
    },
    "abort_upload": {
        "success": True,
        "message": "Upload aborted",
        "model_id": "d7b44809a0359169b755a703",
        "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    },
    "get_download_url": {
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "filename": "model.bin",
        "size_bytes": 29,
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "url": "https://storage.example/models/sha256/b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40?...",
        "expires_at": "2026-11-22T01:23:59.000000Z",
    },
}
