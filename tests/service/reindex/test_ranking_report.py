"""The report on a gallery of a few detections, checked against scores computed one by one from the crops."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, load_checkpoint
from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from service.components import open_components
from service.recover_gallery import recover_gallery
from service.reindex.ranking_report import NothingToCompare, RankingReport
from service.reindex.run_reindex import run_report
from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.reindexing import extract_maps, reindex
from tests.service.stored_crops import draw_record, ingest

pytestmark = pytest.mark.anyio

SIZE = 14


async def fill(settings: Settings) -> None:
    async with open_components(settings) as components:
        await recover_gallery(components)
        for number in range(SIZE):
            person = None if number == 5 else f"p{number % 3}"
            await ingest(components, f"d{number:02}", number, f"c{number % 2}", number, person_id=person)
        await components.writer.put(draw_record(components, "poison"))


def report(settings: Settings, old: Path, new: Path, queries: int = 100, seed: int = 0) -> RankingReport:
    changed = settings.model_copy(update={"checkpoint": new})
    return run_report(changed, old, queries, seed, lambda _done, _total: None)


def rank(path: Path) -> dict[str, list[str]]:
    """Rankings by ID, from the crops, in float32."""
    checkpoint: Checkpoint = load_checkpoint(path)
    maps = [torch.from_numpy(each).float() for each in extract_maps(path, [crop_file(n) for n in range(SIZE)])]
    rows = position_major(torch.stack(maps))
    logits = Float32ReferenceScorer(FoldedMatcher.of(checkpoint.matcher, checkpoint.config, "cpu")).score(rows, rows)
    names = [f"d{number:02}" for number in range(SIZE)]
    return {
        name: [names[column] for column in row.argsort(descending=True).tolist() if names[column] != name]
        for name, row in zip(names, logits, strict=True)
    }


async def test_it_says_what_rankings_from_the_crops_say(
    settings: Settings, tiny_checkpoint: Path, newer_checkpoint: Path
) -> None:
    await fill(settings)
    await reindex(settings, newer_checkpoint)
    made = report(settings, tiny_checkpoint, newer_checkpoint)
    assert (made.detections, made.compared, len(made.changes.queries)) == (SIZE + 1, SIZE, SIZE)
    old, new = rank(tiny_checkpoint), rank(newer_checkpoint)
    for query in made.changes.queries:
        before, after = old[query.detection_id], new[query.detection_id]
        assert (query.old_best_id, query.new_best_id) == (before[0], after[0])
        assert query.new_rank_of_old_best == after.index(before[0]) + 1
        assert query.old_rank_of_new_best == before.index(after[0]) + 1
        assert query.top_overlap == len(set(before[:10]) & set(after[:10])) / 10
    same = sum(old[name][0] == new[name][0] for name in old) / SIZE
    assert made.changes.same_best_share == pytest.approx(same)
    # d05 has no person; every other person is in both cameras.
    assert made.changes.old_metrics is not None
    assert made.changes.old_metrics.num_queries == SIZE - 1


async def test_queries_are_drawn_by_the_seed(settings: Settings, tiny_checkpoint: Path, newer_checkpoint: Path) -> None:
    await fill(settings)
    await reindex(settings, newer_checkpoint)
    first, again, other = (
        {each.detection_id for each in report(settings, tiny_checkpoint, newer_checkpoint, 5, seed).changes.queries}
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 5


async def test_without_maps_of_both_models_there_is_nothing_to_compare(
    settings: Settings, tiny_checkpoint: Path
) -> None:
    await fill(settings)
    with pytest.raises(NothingToCompare, match="there is no reindex for model"):
        report(settings, tiny_checkpoint, tiny_checkpoint)
    await reindex(settings, tiny_checkpoint)
    with pytest.raises(NothingToCompare, match=f"0 of {SIZE + 1} detections"):
        report(settings, tiny_checkpoint, tiny_checkpoint)


async def test_after_the_switch_there_is_nothing_to_compare(
    settings: Settings, tiny_checkpoint: Path, newer_checkpoint: Path
) -> None:
    await fill(settings)
    await reindex(settings, newer_checkpoint)
    async with open_components(settings.model_copy(update={"checkpoint": newer_checkpoint})) as components:
        await recover_gallery(components)
    with pytest.raises(NothingToCompare, match="After a switch the old feature maps are gone"):
        report(settings, tiny_checkpoint, newer_checkpoint)
