"""Two registries, one with authentication on and one without; they end with the last test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.guarded import Guarded, guarded_registry
from tests.processes import RegistryProcesses
from tests.servers import Servers


@pytest.fixture(scope="package")
def registry_processes(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcesses]:
    processes = RegistryProcesses(stack, tmp_path_factory.mktemp("registry"))
    try:
        processes.start()
        yield processes
    finally:
        processes.stop_all()


@pytest.fixture
def http(registry_processes: RegistryProcesses) -> Iterator[httpx.Client]:
    # Nothing here is TLS, and to read the certificates of all authorities takes 40 ms.
    with httpx.Client(base_url=registry_processes.url, timeout=30, verify=False) as client:
        yield client


@pytest.fixture(scope="package")
def guarded(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_registry(stack, tmp_path_factory.mktemp("guarded")) as registry:
        yield registry
