"""From documents of the read models to members of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tensorfleet.http.times import time_text

Document = Mapping[str, Any]
_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB", "EB")


def size_text(size_bytes: int) -> str:
    """As `43.6 MB`, in powers of ten."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size, unit = size_bytes / 1000, 1
    while round(size, 1) >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}"


def file_members(file: Document | None) -> dict[str, Any] | None:
    if file is None:
        return None
    return {
        "size_bytes": file["size_bytes"],
        "checksum": f"sha256:{file['checksum']}",
        "format": file["format"],
        "filename": file["filename"],
    }


def scan_members(scan: Document | None) -> dict[str, Any] | None:
    if scan is None:
        return None
    at = scan["scanned_at"]
    return {
        "verdict": scan["verdict"],
        "format": scan["format"],
        "findings": scan["findings"],
        "scanner": scan["scanner"],
        "scanned_at": None if at is None else time_text(at),
        "released": scan["released"],
    }


def scan_verdict(shown: Document) -> str | None:
    """Of a document of which perhaps only `scan.verdict` was fetched."""
    scan = shown.get("scan")
    return None if scan is None else scan["verdict"]


def model_size(file: Document | None) -> str | None:
    return None if file is None else size_text(file["size_bytes"])


def download_url(model_id: str, version: str | None = None) -> str:
    path = f"/api/v1/models/{model_id}/download"
    return path if version is None else f"{path}?version={version}"


def row(model: Document, download_count: int) -> dict[str, Any]:
    """A model, or one version of it, in a list."""
    return {
        "id": model["_id"],
        "name": model["name"],
        "algorithm": model["algorithm"],
        "version": model["version"],
        "metrics": model["metrics"],
        "tags": model["tags"],
        "created_at": time_text(model["created_at"]),
        "updated_at": time_text(model["updated_at"]),
        "status": model["status"],
        "download_count": download_count,
        "scan_verdict": scan_verdict(model),
    }


def whole_model(model: Document, shown: Document, versions: Iterable[Document], downloads: int) -> dict[str, Any]:
    """The whole document. `shown` is where the fields of a version come from: the model, or one of its versions."""
    return {
        "id": model["_id"],
        "name": model["name"],
        "algorithm": model["algorithm"],
        "framework": model["framework"],
        "description": model["description"],
        "hyperparameters": shown["hyperparameters"],
        "metrics": shown["metrics"],
        "version": shown["version"],
        "parent_version": shown["parent_version"],
        "dataset_info": shown["dataset_info"],
        "file_metadata": file_members(shown["file"]),
        "scan": scan_members(shown["scan"]),
        "corrupt": shown["corrupt"],
        "model_size": model_size(shown["file"]),
        "download_url": download_url(model["_id"], None if shown is model else shown["version"]),
        "created_at": time_text(shown["created_at"]),
        "updated_at": time_text(shown["updated_at"]),
        "created_by": model["created_by"],
        "tags": model["tags"],
        "status": shown["status"],
        "deprecation": shown["deprecation"],
        "model_status": model["status"],
        "download_count": downloads,
        "versions": [version_row(version) for version in versions],
        "sequence": model["sequence"],
        "position": f"{model['partition']}:{model['offset']}",
    }


def version_row(version: Document) -> dict[str, Any]:
    return {
        "version": version["version"],
        "parent_version": version["parent_version"],
        "status": version["status"],
        "created_at": time_text(version["created_at"]),
        "model_size": model_size(version["file"]),
        "scan_verdict": scan_verdict(version),
    }


def whole_version(version: Document) -> dict[str, Any]:
    return {
        "id": version["model_id"],
        "version": version["version"],
        "parent_version": version["parent_version"],
        "status": version["status"],
        "deprecation": version["deprecation"],
        "hyperparameters": version["hyperparameters"],
        "metrics": version["metrics"],
        "dataset_info": version["dataset_info"],
        "file_metadata": file_members(version["file"]),
        "scan": scan_members(version["scan"]),
        "corrupt": version["corrupt"],
        "model_size": model_size(version["file"]),
        "download_url": download_url(version["model_id"], version["version"]),
        "created_at": time_text(version["created_at"]),
        "updated_at": time_text(version["updated_at"]),
    }
