"""Real servers once per session, on free ports, without data; they end with the session.

With `--numprocesses` each worker is a session of its own: what one of them stops or kills, no other one uses.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tensorfleet.blobs.minio_store import MinioBlobStore
from tests.processes import RegistryProcesses
from tests.second_s3 import S3, second_s3
from tests.servers import Servers, fresh_servers

E2E = "tests/e2e/"
settings.register_profile("registry", deadline=None)
settings.load_profile("registry")


class ByWhatIsShared(LoadScopeScheduling):
    """A worker gets whole files, for what their tests share, and all of `e2e`, whose processes are started once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return E2E if file.startswith(E2E) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatIsShared:
    return ByWhatIsShared(config, log)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with fresh_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def mongodb_url(stack: Servers) -> str:
    return stack.mongodb_url


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """MinIO; for `make test-s3` versitygw, and no other server runs."""
    if os.environ.get("TEST_S3") == "versitygw":
        with second_s3(tmp_path_factory.mktemp("versitygw")) as other:
            yield other
        return
    stack: Servers = request.getfixturevalue("stack")
    yield S3(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key)


@pytest.fixture
def blob_store(s3: S3) -> Iterator[MinioBlobStore]:
    import asyncio

    store = MinioBlobStore.connect(s3.endpoint, s3.access_key, s3.secret_key, f"b{uuid.uuid4().hex}", False)
    asyncio.run(store.ensure_bucket())
    yield store
    store.close()


@pytest.fixture(scope="module")
def own_processes(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcesses]:
    """Processes for the tests of one module alone, which may stop and kill them; at first none of them runs."""
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("own"), ("gateway", "projector"))
    try:
        yield processes
    finally:
        processes.stop_all()
