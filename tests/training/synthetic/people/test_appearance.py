from collections import Counter

from training.synthetic.people.appearance import PersonAppearance, sample_appearance
from training.synthetic.people.hairdo import HairStyle, Headwear
from training.synthetic.people.luggage import BagKind
from training.synthetic.people.wardrobe import Collar, LowerKind, ShoeKind
from training.synthetic.random_streams import Stream, random_stream


def people(count: int, seed: int = 1) -> list[PersonAppearance]:
    return [sample_appearance(random_stream(seed, Stream.PERSON, person)) for person in range(count)]


def test_a_person_is_decided_by_seed_and_number() -> None:
    first, second = (sample_appearance(random_stream(1, Stream.PERSON, 5)) for _ in range(2))
    assert first == second
    assert first != sample_appearance(random_stream(1, Stream.PERSON, 6))
    assert first != sample_appearance(random_stream(2, Stream.PERSON, 5))


def test_a_hundred_people_all_differ() -> None:
    assert len(set(people(100))) == 100


def test_every_cut_occurs_and_trousers_are_the_most_common() -> None:
    crowd = people(600)
    lowers = Counter(person.lower.kind for person in crowd)
    assert set(lowers) == set(LowerKind)
    assert lowers.most_common(1)[0][0] is LowerKind.TROUSERS
    assert {person.head.hair_style for person in crowd} == set(HairStyle)
    assert {person.head.headwear for person in crowd} == set(Headwear)
    assert {person.luggage.kind for person in crowd} == set(BagKind)
    assert {person.shoes.kind for person in crowd} == set(ShoeKind)
    assert {garment.collar for person in crowd for garment in (person.top, person.outer) if garment} == set(Collar)


def test_strangers_often_wear_the_same_dark_colours() -> None:
    crowd = people(400)
    dark = [p for p in crowd if max(p.lower.fabric.main) < 105 and max((p.outer or p.top).fabric.main) < 105]
    # The commonest of all combinations: colour alone must not tell people apart.
    assert 0.2 < len(dark) / len(crowd) < 0.5


def test_skin_covers_the_human_range() -> None:
    lightness = [sum(person.skin) / 3 for person in people(300)]
    assert min(lightness) < 70
    assert max(lightness) > 200
