"""Clients that read models and download files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import orjson

from tensorfleet.events.envelope import Position
from tests.faults.checker.history import Download, Read
from tests.faults.load.http_client import HttpClient, NoAnswer
from tests.faults.load.models import Known
from tests.faults.load.recorder import Recorder, now

READ_SECONDS, FILE_SECONDS = 6.0, 15.0


class Reader:
    """A client that reads models and downloads files; now and then it hangs up."""

    def __init__(self, clients: Sequence[HttpClient], recorder: Recorder, chance: random.Random) -> None:
        self._clients = clients
        self._recorder = recorder
        self._chance = chance

    async def read(self, one: Known) -> None:
        """What can't be read in time (503, 504) tells nothing, and is not recorded."""
        names_position = one.position != "" and self._chance.random() < 0.5
        named = one.position if names_position else ""
        headers = {"X-Registry-Min-Position": named} if named else {}
        sent_at = now()
        client = self._chance.choice(self._clients)
        try:
            reply = await client.request("GET", f"/api/v1/models/{one.model_id}", b"", headers, seconds=READ_SECONDS)
        except NoAnswer:
            await asyncio.sleep(0.2)
            return
        least = tuple(Position.parse(text) for text in named.split(",") if text)
        seen = (0, one.model_id, sent_at, now(), reply.status)
        if reply.status == 200:
            found = orjson.loads(reply.body)
            self._recorder.reads.append(Read(*seen, found["sequence"], Position.parse(found["position"]), least))
        elif reply.status == 404:
            self._recorder.reads.append(Read(*seen, 0, None, least))

    async def download(self, one: Known) -> None:
        """Any answer but a 404 may have been counted; all of the file must have been."""
        if not one.has_file:
            return
        hangs_up = self._chance.random() < 0.03
        seconds = self._chance.uniform(0.001, 0.02) if hangs_up else FILE_SECONDS
        client = self._chance.choice(self._clients)
        try:
            reply = await client.request("GET", f"/api/v1/models/{one.model_id}/download", seconds=seconds)
        except NoAnswer:
            self._recorder.downloads.append(Download(0, one.model_id, complete=False))
            return
        complete = reply.status == 200
        self._recorder.downloads.append(Download(0, one.model_id, complete, refused=reply.status == 404))
