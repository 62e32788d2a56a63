"""No client of the registry talks to a server whose certificate is not for its address, or is signed by a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from services.command_api.forwarder import Forwarder
from services.command_api.submission import OwnerUnreachable, Submission
from services.scanner.registry import Registry, RegistryUnavailable
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain.commands import ArchiveModel
from tensorfleet.domain.errors import ReadModelsUnavailable, SettingsInvalid
from tensorfleet.http.access.oidc import OidcTokens
from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import ReadModels, connect
from tensorfleet.settings.access import AccessSettings
from tensorfleet.settings.tls import TlsSettings
from tests.certificates import Certificates
from tests.e2e.tls_front import tls_front
from tests.servers import Servers

MODEL = "0" * 24


async def ask_storage(server: str, ca: Path) -> None:
    store = MinioBlobStore.connect(server, "access key", "secret key", "bucket", True, ca_file=ca)
    await store.available()
    store.close()


async def ask_mongodb(server: str, ca: Path) -> None:
    client = connect(f"mongodb://{server}/?tls=true&tlsCAFile={ca}&directConnection=true")
    with suppress(ReadModelsUnavailable):
        await ReadModels(LiveGeneration(client, "none")).ping()
    await client.close()


async def ask_owner(server: str, ca: Path) -> None:
    forwarder = Forwarder("token", TlsSettings(tls_ca_file=ca).trusted_context())
    done = asyncio.get_running_loop().create_future()
    with suppress(OwnerUnreachable):
        command = Submission(MODEL, "", ArchiveModel(), "c", None, "a", None, done)
        await forwarder.send(f"https://{server}", 0, command, 5)
    await forwarder.close()


async def ask_registry(server: str, ca: Path) -> None:
    registry = Registry(f"https://{server}", "secret", None, TlsSettings(tls_ca_file=ca).trusted_context())
    with suppress(RegistryUnavailable):
        await registry.unscanned(MODEL, "0:0")
    await registry.close()


async def ask_oidc_provider(server: str) -> None:
    settings = AccessSettings(oidc_issuer="i", oidc_audience="a", oidc_jwks=f"https://{server}/keys")
    with suppress(SettingsInvalid):
        await OidcTokens(settings).start()


CLIENTS = (ask_storage, ask_mongodb, ask_owner, ask_registry)


def believers(server: str, shown: Certificates, asking: Any) -> int:
    """How many of those who ask take the certificate for good."""

    async def ask(address: str) -> None:
        wanted: Coroutine[Any, Any, None] = asking(address)
        await asyncio.wait_for(wanted, 20)

    with tls_front(server, shown.shown) as front:
        asyncio.run(ask(front.address))
        return min(front.believed, 1)


def test_every_client_looks_at_who_signed_a_certificate_and_for_which_address(stack: Servers, tmp_path: Path) -> None:
    good, strange, elsewhere = (
        Certificates(tmp_path / name, address)
        for name, address in (("good", "127.0.0.1"), ("strange", "127.0.0.1"), ("elsewhere", "192.0.2.1"))
    )
    mongodb = stack.mongodb_url.partition("//")[2].partition("/")[0]

    def met(ask: Any) -> list[int]:
        server = mongodb if ask is ask_mongodb else stack.minio_endpoint
        return [believers(server, one, partial(ask, ca=ca)) for one, ca in shown]

    shown = [(good, good.ca), (strange, good.ca), (elsewhere, elsewhere.ca)]
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        found = dict(zip((one.__name__ for one in CLIENTS), pool.map(met, CLIENTS), strict=True))
    assert found == {one.__name__: [1, 0, 0] for one in CLIENTS}
    assert believers(stack.minio_endpoint, strange, ask_oidc_provider) == 0, "the system trusts nobody here"
