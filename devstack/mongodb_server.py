"""MongoDB as a replica set of one: transactions and change streams need a replica set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from devstack.ports import HOST

REPLICA_SET = "rs0"
NOT_YET_INITIALIZED = 94
# Where and on which data it runs apart. No 15 s of grace for secondaries that do not exist.
SETTINGS = (
    *("--replSet", REPLICA_SET),
    *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)


def cache_of(gigabytes: float = 1.0) -> tuple[str, str]:
    """How much memory it may keep documents and indexes in; it takes no more than it needs."""
    return "--wiredTigerCacheSizeGB", str(gigabytes)


class MongodbServer:
    """Data under `directory`/data."""

    name = "mongodb"

    def __init__(self, directory: Path, mongod: Path, port: int, cache_gb: float = 1.0) -> None:
        self._cache = cache_of(cache_gb)
        self._data = directory / "data"
        self._mongod = mongod
        self._port = port

    def ports(self) -> Mapping[str, int]:
        """The one for clients."""
        return {"mongodb": self._port}

    def prepare(self) -> None:
        """Make the data folder."""
        self._data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """No socket file in /tmp."""
        places = ["--dbpath", str(self._data), "--bind_ip", HOST, "--port", str(self._port), "--nounixsocket"]
        return [str(self._mongod), *SETTINGS, *self._cache, *places]

    def environment(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def is_ready(self) -> bool:
        """Whether it is primary."""
        return is_primary(self._port)


def is_primary(port: int) -> bool:
    """Whether clients can write; initiates the replica set on the way if need be."""
    url = f"mongodb://{HOST}:{port}/?directConnection=true"
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=500, socketTimeoutMS=5000) as client:
        try:
            if client.admin.command("hello")["isWritablePrimary"]:
                return True
            _ensure_configured(client, f"{HOST}:{port}")
        except PyMongoError:
            return False  # not up yet, or busy with its election: asked again at once
        return False


def _ensure_configured(client: MongoClient[dict[str, Any]], address: str) -> None:
    """Initiate the set once; after a change of port, correct the member's address in it."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": address}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
