"""A registry with authentication on, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.guarded import Guarded, guarded_registry
from tests.servers import Servers


@pytest.fixture(scope="session")
def guarded(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_registry(stack, tmp_path_factory.mktemp("guarded")) as registry:
        yield registry
