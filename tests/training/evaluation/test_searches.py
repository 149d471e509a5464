import pytest
import torch

from model.retrieval_metrics import JUNK_PERSON
from tests.training.evaluation.made_searches import crop, searches_for
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.evaluation.searches import searches_of, shuffle_times


def test_the_first_crop_of_every_track_is_searched_for_among_all() -> None:
    crops = [
        crop("p", "c1"),
        crop("p", "c1"),
        crop("q", "c1"),
        crop("p", "c2"),
        crop(JUNK, "c2"),
        crop(DISTRACTOR, "c2"),
    ]
    searches = searches_of(crops)
    assert searches.queries.tolist() == [0, 2, 3]
    assert searches.gallery.tolist() == [0, 1, 2, 3, 4, 5]
    assert searches.labels.persons.tolist() == [0, 0, 1, 0, JUNK_PERSON, 3]
    assert searches.all_cameras()[1].tolist() == [True, True, False, True, True, True]
    assert searches.other_cameras()[1].tolist() == [False, False, False, True, True, True]


def test_a_benchmark_keeps_its_queries_out_of_its_gallery() -> None:
    queries = [crop("p", "c1"), crop("q", "c2")]
    gallery = [crop("p", "c2"), crop(JUNK, "c2"), crop("q", "c1")]
    searches = searches_of(Dataset("benchmark", [], queries, gallery, has_times=False))
    assert searches.queries.tolist() == [0, 1]
    assert searches.gallery.tolist() == [2, 3, 4]
    assert searches.query_labels.persons.tolist() == [0, 1]
    assert searches.gallery_labels.persons.tolist() == [0, JUNK_PERSON, 1]
    assert bool(searches.all_cameras().all())
    assert searches.seconds is None


def test_a_query_that_is_in_the_gallery_too_is_one_crop_and_no_candidate_of_its_own() -> None:
    crops = [crop("q", "c2", 5.0), crop("p", "c1", 7.0)]
    searches = searches_of(Dataset("own", crops, [crops[1]], crops, has_times=True))
    assert len(searches.crops) == 2
    assert searches.gallery[searches.all_cameras()[0]].tolist() == [1]
    assert searches.seconds is not None
    assert searches.seconds[searches.queries].tolist() == [7.0]
    assert searches.seconds[searches.gallery].tolist() == [5.0, 7.0]


def test_times_are_shuffled_within_cameras() -> None:
    cameras = [0, 1] * 20
    searches = searches_for([0] * 40, cameras, [float(number) for number in range(40)], queries=[0])
    shuffled = shuffle_times(searches, seed=3)
    assert shuffled.seconds is not None
    assert searches.seconds is not None
    for camera in (0, 1):
        members = torch.tensor(cameras) == camera
        assert sorted(shuffled.seconds[members].tolist()) == searches.seconds[members].tolist()
        assert shuffled.seconds[members].tolist() != searches.seconds[members].tolist()
    again = shuffle_times(searches, seed=3).seconds
    assert again is not None
    assert torch.equal(again, shuffled.seconds)


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(ValueError, match="0 queries and 2 crops"):
        searches_of(Dataset("none", [], [], [crop("p", "c1"), crop("q", "c2")], has_times=True))
    with pytest.raises(ValueError, match="are of one camera"):
        searches_of([crop("p", "c1"), crop("q", "c1")])
    with pytest.raises(ValueError, match="are of one person"):
        searches_of([crop("p", "c1"), crop("p", "c2")])
