"""The `tensorfleet` command in this process, with the environment of a world of its own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from devstack.stack import NativeStack
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.cli.__main__ import main
from tests.integration.kafka_world import KafkaWorld


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


class CommandLine:
    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stack: NativeStack) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self._stack = stack

    def use(self, world: KafkaWorld, store: MinioBlobStore | None = None) -> None:
        """The commands that follow meet these topics and this bucket."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self._stack.kafka_bootstrap,
            "REGISTRY_ID": world.topics.registry,
            "LOG_PARTITIONS": str(world.topics.partitions),
            "MONGODB_URL": self._stack.mongodb_url,
            "MONGODB_DB": world.topics.registry,
            "MINIO_ENDPOINT": self._stack.minio_endpoint,
            "MINIO_ACCESS_KEY": self._stack.minio_access_key,
            "MINIO_SECRET_KEY": self._stack.minio_secret_key,
            "MINIO_BUCKET": store._bucket if store else "nowhere",
        }
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def run(self, *arguments: object) -> Outcome:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        printed = self._capsys.readouterr()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Outcome(ended.value.code or 0, printed.out, printed.err)
