from collections import Counter

from training.synthetic.appearance import LowerKind, UpperKind, sample_appearance
from training.synthetic.random_streams import Stream, random_stream


def test_a_person_is_decided_by_seed_and_number() -> None:
    first, second = (sample_appearance(random_stream(1, Stream.PERSON, 5)) for _ in range(2))
    assert first == second
    assert first != sample_appearance(random_stream(1, Stream.PERSON, 6))
    assert first != sample_appearance(random_stream(2, Stream.PERSON, 5))


def test_every_cut_of_clothes_occurs_and_trousers_are_the_most_common() -> None:
    people = [sample_appearance(random_stream(1, Stream.PERSON, person)) for person in range(400)]
    lowers = Counter(person.lower_kind for person in people)
    assert set(lowers) == set(LowerKind)
    assert {person.upper_kind for person in people} == set(UpperKind)
    assert lowers.most_common(1)[0][0] is LowerKind.TROUSERS


def test_strangers_often_wear_the_same_colours() -> None:
    people = [sample_appearance(random_stream(1, Stream.PERSON, person)) for person in range(200)]
    dark = [person for person in people if max(person.lower.main) < 70]
    assert len(dark) > 50
