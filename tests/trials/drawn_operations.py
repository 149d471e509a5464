"""The operations that the model-based trial draws, few IDs and crops among them, so that they meet."""

from hypothesis import strategies as st

from service.records import MICROSECONDS_PER_SECOND, CandidateFilter, DetectionFilter
from tests.trials.expected_search import Query
from tests.trials.gallery_operations import START_US, Delete, Put, Stored

POOL_SIZE = 24
IDS = [f"d{number:02}" for number in range(40)]
CAMERAS = [f"c{number}" for number in range(4)]

moments = st.integers(0, 1200).map(lambda half_seconds: START_US + half_seconds * MICROSECONDS_PER_SECOND // 2)
crops = st.integers(0, POOL_SIZE - 1)
ids = st.sampled_from(IDS)
cameras = st.sampled_from(CAMERAS)
details = st.builds(
    Stored,
    crop=crops,
    camera_id=cameras,
    timestamp_us=moments,
    track_id=st.sampled_from([None, "t0", "t1", "t2", "t3"]),
    person_id=st.sampled_from([None, "p0", "p1", "p2"]),
)
puts = st.builds(Put, ids, details)
writes = puts | st.builds(Delete, ids)


def writes_of_different_ids(kind: st.SearchStrategy[Put | Delete]) -> st.SearchStrategy[list[Put | Delete]]:
    return st.lists(kind, min_size=2, max_size=8, unique_by=lambda write: write.detection_id)


windows = st.tuples(st.none() | moments, st.none() | moments).filter(
    lambda window: window[0] is None or window[1] is None or window[0] < window[1]
)
filters = st.builds(
    lambda labels, window: DetectionFilter(*labels, *window),
    st.tuples(
        st.none() | cameras, st.sampled_from([None, None, "t0", "t1", "t2"]), st.sampled_from([None, None, "p0", "p1"])
    ),
    windows,
)
candidate_filters = st.builds(
    lambda chosen, excluded, window: CandidateFilter(frozenset(chosen), frozenset(excluded), *window),
    st.just(()) | st.lists(cameras, max_size=3),
    st.just(()) | st.lists(cameras, max_size=2),
    st.just((None, None)) | windows,
)
queries = st.builds(
    Query,
    crop=crops,
    detection_id=st.none() | ids,
    camera_id=st.none() | cameras,
    timestamp_us=st.none() | moments,
    lifting=st.sampled_from(["auto", "off", "bootstrap"]),
    tau_seconds=st.sampled_from([10, 60, 100]),
    sigma_seconds=st.sampled_from([40, 100]),
    num_pivots=st.sampled_from([1, 3, 10, 100]),
    alpha=st.sampled_from([0.0, 0.1, 0.2]),
    rerank=st.sampled_from([False, False, False, True]),
    candidates=candidate_filters,
    group_by=st.sampled_from(["detection", "detection", "track", "person"]),
    limit=st.sampled_from([1, 3, 10, 1000]),
    min_score=st.sampled_from([None, None, 0.3, 0.55]),
)
