"""A registry with transfers by presigned URLs turned on: two instances, a narrow key, and clients that send parts."""

from __future__ import annotations

import hashlib
import secrets
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from minio import Minio

from tensorfleet.blobs.narrow_user import MinioUsers
from tensorfleet.settings import BlobSettings
from tests.processes import RegistryProcesses
from tests.servers import Servers

PART = 5 * 1024 * 1024
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() * 32 for number in range(10 * 1024 + 1))
"""Three parts."""
MOST_BYTES = 20_000_000


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class World:
    processes: RegistryProcesses
    root: Minio
    narrow: Minio
    admin: str
    http: httpx.Client

    def ask(self, key: str, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**given.pop("headers", {}), "X-API-Key": key}
        return self.http.request(method, path, headers=headers, **given)

    def key(self, *roles: str, **form: Any) -> str:
        answer = self.ask(self.admin, "POST", "/api/v1/keys", json={"name": "test", "roles": roles, **form})
        return str(answer.json()["api_key"])

    def model(self, name: str = "") -> str:
        body = {"name": name or f"n {uuid.uuid4()}", "algorithm": "svm"}
        return f"/api/v1/models/{self.ask(self.admin, 'POST', '/api/v1/models', json=body).json()['model_id']}"

    def begin(self, key: str, model: str, content: bytes = CONTENT, **form: Any) -> httpx.Response:
        body = {"size_bytes": len(content), "checksum": sha256(content), "filename": "m.pkl", "part_size": PART, **form}
        headers = body.pop("headers", {})
        return self.ask(key, "POST", f"{model}/uploads", json=body, headers=headers)

    def document(self, model: str) -> dict[str, Any]:
        return dict(self.ask(self.admin, "GET", model).json())

    def events(self, model: str) -> list[str]:
        return [one["type"] for one in self.ask(self.admin, "GET", f"{model}/history").json()["events"]]

    def keys_below(self, *prefixes: str) -> list[str]:
        listed = self.root.list_objects(self.processes.registry_id, recursive=True)
        return sorted(str(one.object_name) for one in listed if str(one.object_name).startswith(prefixes))


@contextmanager
def presigned_world(stack: Servers, directory: Path) -> Iterator[World]:
    processes = RegistryProcesses(stack, directory, ("gateway", "gateway.two", "projector"))
    bucket, admin = processes.registry_id, secrets.token_urlsafe(32)
    access_key, secret_key = f"narrow-{uuid.uuid4().hex[:8]}", secrets.token_urlsafe(24)
    processes.environment |= {
        "ENABLE_AUTH": "true",
        "ADMIN_API_KEY": admin,
        "RATE_LIMIT": "off",
        "DOWNLOAD_RATE_LIMIT": "off",
        "PRESIGN": "true",
        "PRESIGN_ENDPOINT": f"http://{stack.minio_endpoint}",
        "PRESIGN_ACCESS_KEY": access_key,
        "PRESIGN_SECRET_KEY": secret_key,
    }
    settings = BlobSettings(
        minio_endpoint=stack.minio_endpoint,
        minio_access_key=stack.minio_access_key,
        minio_secret_key=stack.minio_secret_key,
    )
    for _ in range(2):  # it may be done again
        MinioUsers(settings).make(access_key, secret_key, bucket)
    root = Minio(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, secure=False, region="us-east-1")
    narrow = Minio(stack.minio_endpoint, access_key, secret_key, secure=False, region="us-east-1")
    try:
        processes.start()
        with httpx.Client(base_url=processes.url, timeout=30) as http:
            yield World(processes, root, narrow, admin, http)
    finally:
        processes.stop_all()


def put(one: dict[str, Any], content: bytes = CONTENT) -> int:
    """Send one part as an answer names it."""
    part = content[one["offset"] : one["offset"] + one["size_bytes"]]
    return httpx.put(one["url"], content=part, timeout=60).status_code


def send(upload: dict[str, Any], content: bytes = CONTENT) -> None:
    """All parts that the answer has URLs for, at once."""
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda one: put(one, content), upload["urls"])) == {200}


def cut_short(url: str, content: bytes, length: int) -> None:
    """Send some of a part, and go away."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10) as connection:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + content)
