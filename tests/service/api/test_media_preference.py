import pytest

from service.api.media_preference import prefers_png


@pytest.mark.parametrize(
    ("accept", "is_png"),
    [
        ([], False),
        (["*/*"], False),
        (["image/png"], True),
        (["IMAGE/PNG"], True),
        (["image/*"], True),
        (["application/json"], False),
        (["image/png, application/json"], False),
        (["image/png, application/json;q=0.5"], True),
        (["image/png;q=0.4, application/json;q=0.5"], False),
        (["image/png", "application/json;q=0.9"], True),
        (["image/png;q=0"], False),
        (["image/png;q=0, */*"], False),
        (["image/png, */*;q=0.1"], True),
        (["text/html"], False),
        (["image/png;q=nan"], False),
        (["image/png;q=abc"], False),
        ([";;,,"], False),
    ],
)
def test_a_picture_only_where_it_is_preferred(accept: list[str], is_png: bool) -> None:
    assert prefers_png(accept) is is_png
