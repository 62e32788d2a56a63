"""What the load knows of the models of one partition, well enough to ask for sensible and for senseless things."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tensorfleet.domain import commands as c
from tensorfleet.domain.names import model_id_of, partition_of
from tests.faults.checker.history import Operation
from tests.faults.load import requests
from tests.faults.load.requests import Request

MOST_COMMANDS = 40
FEWEST_MODELS, MOST_MODELS = 8, 24
_MAKERS = (requests.update, requests.version, requests.deprecate, requests.archive, requests.restore)
_WEIGHTS = (40, 16, 4, 2, 5)
UPLOADS, DELETIONS, VERSION_DELETIONS, MISTAKES = 0.09, 0.025, 0.02, 0.01
_LARGE_BYTES = 9_000_000  # past what is held in memory: streamed, copied to its name


@dataclass(slots=True, eq=False)
class Known:
    """A model that exists, or existed. `position` is the newest that an answer named, as its header gave it."""

    model_id: str
    name: str
    commands: int = 0
    deleted: bool = False
    has_file: bool = False
    position: str = ""


@dataclass(slots=True)
class Models:
    """Models of one partition: after many commands one is left alone, since each version makes the next dearer."""

    partition: int
    partitions: int
    run: str
    chance: random.Random
    live: dict[str, Known] = field(default_factory=dict)
    _number: int = 0

    def next_request(self) -> Request:
        self._number += 1
        if len(self.live) < FEWEST_MODELS or (len(self.live) < MOST_MODELS and self.chance.random() < 0.1):
            return requests.register(self._free_name(), self._number)
        one = self.any()
        if one.deleted:
            return self._about_deleted(one)
        return self._about_live(one)

    def for_batch(self) -> Request:
        """A register, update or version, of a model that no other entry of the batch is about."""
        self._number += 1
        if self.live and self.chance.random() < 0.8:
            maker = self.chance.choice((requests.update, requests.version))
            return maker(self.any().model_id, self._number)
        return requests.register(self._free_name(), self._number)

    def any(self) -> Known:
        return self.chance.choice(list(self.live.values()))

    def learn(self, request: Request, done: Operation, position: str) -> None:
        """Take in how a command ended."""
        one = self.live.get(done.model_id)
        if not done.last.acknowledged:
            return
        if one is None:
            if not isinstance(request.command, c.RegisterModel):
                return
            one = self.live[done.model_id] = Known(done.model_id, request.command.name)
        one.commands += 1
        one.position = position
        match request.command:
            case c.RegisterModel():
                one.deleted, one.has_file = False, False
            case c.DeleteModel():
                one.deleted = True
            case c.RestoreModel():
                one.deleted = False
            case c.AttachFile():
                one.has_file = True
        if one.commands >= MOST_COMMANDS:
            self.live.pop(done.model_id, None)

    def _about_live(self, one: Known) -> Request:
        dice = self.chance.random()
        if dice < UPLOADS:
            return requests.upload(one.model_id, self._content())
        if dice < UPLOADS + DELETIONS:
            return requests.delete(one.model_id, self._number)
        if dice < UPLOADS + DELETIONS + VERSION_DELETIONS:
            return requests.delete_version(one.model_id, self._number)
        if dice < UPLOADS + DELETIONS + VERSION_DELETIONS + MISTAKES:
            return requests.register(one.name, self._number)
        return self.chance.choices(_MAKERS, _WEIGHTS)[0](one.model_id, self._number)

    def _about_deleted(self, one: Known) -> Request:
        dice = self.chance.random()
        if dice < 0.6:
            return requests.restore(one.model_id, self._number)
        if dice < 0.8:
            return requests.register(one.name, self._number)
        return requests.update(one.model_id, self._number)

    def _content(self) -> bytes:
        size = _LARGE_BYTES if self.chance.random() < 0.002 else self.chance.randint(0, 3000)
        return self.chance.randbytes(size)

    def _free_name(self) -> str:
        while True:
            self._number += 1
            name = f"{self.run} {self.partition} {self._number}"
            if partition_of(model_id_of(name), self.partitions) == self.partition:
                return name
