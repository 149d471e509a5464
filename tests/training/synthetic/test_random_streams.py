from training.synthetic.random_streams import Stream, random_stream


def test_every_name_has_a_stream_of_its_own() -> None:
    names = [(1, Stream.PERSON), (1, Stream.PERSON, 0), (1, Stream.PERSON, 0, 0), (1, Stream.CROP), (2, Stream.PERSON)]
    assert len({float(random_stream(*name).random()) for name in names}) == len(names)
    assert random_stream(1, Stream.CROP, 17).random() == random_stream(1, Stream.CROP, 17).random()
