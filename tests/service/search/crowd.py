"""A gallery for searches that only read it, and what their answers are compared by."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.components import Components, open_components
from service.recover_gallery import recover_gallery
from service.search.search_gallery import search_gallery
from service.search.search_records import Match, SearchResult
from service.settings import Settings
from tests.service.stored_crops import at, ingest, search_for

COUNT = 48
QUERY_SEED = 1000


@pytest.fixture(scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> AsyncIterator[Components]:
    """In the format that is chosen here; tests only read it."""
    directory = tmp_path_factory.mktemp("crowd")
    settings = Settings(data_dir=directory, checkpoint=tiny_checkpoint, device="cpu", gallery_capacity=100)
    async with open_crowd(settings) as components:
        yield components


@asynccontextmanager
async def open_crowd(settings: Settings) -> AsyncIterator[Components]:
    """48 detections of 12 people in 3 cameras within 4 minutes."""
    drawn = random.Random(1)
    async with open_components(settings) as components:
        await recover_gallery(components)
        for number in range(COUNT):
            labels = {"track_id": f"t{number // 3}" if number % 5 else None, "person_id": f"p{number % 12}"}
            seconds = round(drawn.uniform(0, 240), 3)
            await ingest(components, f"d{number:02}", number, f"c{number % 3}", seconds, **labels)
        yield components


def ids(result: SearchResult) -> list[str]:
    return [match.metadata.detection_id for match in result.matches]


def by_id(result: SearchResult) -> dict[str, Match]:
    return {match.metadata.detection_id: match for match in result.matches}


def check_order(result: SearchResult) -> None:
    keys = [(-match.score, match.metadata.detection_id) for match in result.matches]
    assert keys == sorted(keys)
    assert [match.rank for match in result.matches] == list(range(1, len(keys) + 1))


async def appearance_of(components: Components, **query: object) -> dict[str, float]:
    result = await search_gallery(components, search_for(**query, temporal_lifting="off"))
    return {key: match.appearance_score for key, match in by_id(result).items()}


def nearby_by_hand(components: Components, camera_id: str, seconds: float, tau_seconds: float) -> list[str]:
    near: list[tuple[int, str]] = []
    for each in components.store.iterate_metadata():
        difference = abs(each.timestamp_us - at(seconds))
        if each.camera_id == camera_id and difference < tau_seconds * 1e6:
            near.append((difference, each.detection_id))
    return [detection_id for _, detection_id in sorted(near)]
