"""The query API's routes, put together; the gateway includes the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import BaseRoute

from services.query_api.as_of import Views
from services.query_api.comparison.routes import comparison_routes
from services.query_api.cursors import Cursors
from services.query_api.figures.download_series import download_series_routes
from services.query_api.figures.rankings import ranking_routes
from services.query_api.figures.statistics import statistics_routes
from services.query_api.files.damage import DamageReports
from services.query_api.files.download import Choice, download_routes
from services.query_api.files.presigned import presigned_routes
from services.query_api.files.quarantine import DEFAULT_QUARANTINE, Quarantine
from services.query_api.gate import ReadGate
from services.query_api.history.routes import history_routes
from services.query_api.history.verification import verification_routes
from services.query_api.kept_answers import KeptAnswers
from services.query_api.lists.listing import Lists, list_routes
from services.query_api.metrics.history import metric_history_routes
from services.query_api.models import model_routes
from services.query_api.ports import Clock, DownloadLog, PositionWaiter, Records
from services.query_api.schemas import schema_routes
from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.store import BlobStore
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.app import Innermost
from tensorfleet.mongo.read_models import ReadModels
from tensorfleet.mongo.standing import StandingReader


@dataclass(frozen=True, slots=True)
class QueryRoutes:
    """`routers` in the order in which they are matched; the answers of `of_the_log` depend on the read models alone."""

    routers: tuple[APIRouter, ...]
    of_the_log: tuple[APIRouter, ...]

    def keeping_answers(self, standing: StandingReader, most_bytes: int) -> Innermost:
        return KeptAnswers(standing, self._kept(), most_bytes).around

    def _kept(self) -> Iterator[BaseRoute]:
        for router in self.of_the_log:
            yield from router.routes


def query_routes(
    *,
    reads: ReadModels,
    blobs: BlobStore,
    damage: DamageReports,
    downloads: DownloadLog,
    waiter: PositionWaiter,
    records: Records,
    catalogue: Catalogue,
    topics: Topics,
    clock: Clock,
    cursor_key: bytes,
    max_page_size: int = 100,
    position_wait_seconds: float = 2.0,
    download_timeout_seconds: float = 600.0,
    quarantine: Quarantine = DEFAULT_QUARANTINE,
    presigner: Presigner | None = None,
) -> QueryRoutes:
    gate = ReadGate(waiter, position_wait_seconds, topics.partitions)
    cursors = Cursors(cursor_key)
    views = Views(reads, clock, topics.partitions)
    lists = list_routes(gate, reads, views, Lists(cursors, max_page_size, topics.partitions))
    comparison, models = comparison_routes(gate, reads), model_routes(gate, views)
    history = history_routes(gate, reads, cursors, max_page_size)
    metrics = metric_history_routes(gate, reads)
    choice = Choice(gate, reads, quarantine)
    return QueryRoutes(
        (
            # The literal paths below /models come before /models/{model_id}, which would take them for ids.
            lists,
            ranking_routes(gate, reads, clock, max_page_size),
            comparison,
            statistics_routes(gate, views),
            models,
            history,
            metrics,
            verification_routes(gate, reads, records, cursors, Codec(catalogue), topics.partitions),
            download_routes(choice, blobs, downloads, damage, download_timeout_seconds),
            presigned_routes(choice, blobs, downloads, damage, presigner, clock),
            download_series_routes(gate, reads, clock),
            schema_routes(catalogue, topics),
        ),
        of_the_log=(lists, comparison, models, history, metrics),
    )
