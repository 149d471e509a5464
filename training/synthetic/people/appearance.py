"""How one person looks: body, hair, clothes and what they carry. It is the same in every camera."""

from dataclasses import dataclass, replace

import numpy as np

from training.synthetic.people.body import Body, sample_body
from training.synthetic.people.hairdo import Head, Headwear, sample_head
from training.synthetic.people.luggage import Luggage, sample_luggage
from training.synthetic.people.palette import Color, sample_skin
from training.synthetic.people.wardrobe import Lower, Shoes, Top, sample_outfit


@dataclass(frozen=True, slots=True)
class PersonAppearance:
    """Everything about a person that a camera may see.

    Attributes:
        top: worn on the trunk under everything; a dress is a long one.
        outer: a jacket, coat or vest over it, None for none.
    """

    body: Body
    skin: Color
    head: Head
    top: Top
    outer: Top | None
    lower: Lower
    shoes: Shoes
    luggage: Luggage
    seed: int


def sample_appearance(random: np.random.Generator) -> PersonAppearance:
    """Draw a person. Plain dark and grey clothes are the most common, so strangers often resemble each other."""
    is_woman, is_child = bool(random.random() < 0.48), bool(random.random() < 0.05)
    body = sample_body(random, is_woman=is_woman, is_child=is_child)
    top, outer, lower, shoes = sample_outfit(random, is_woman=is_woman)
    head = sample_head(random, is_woman=is_woman, is_child=is_child)
    if head.headwear is Headwear.HOOD:
        head = replace(head, headwear_fabric=(outer or top).fabric)
    return PersonAppearance(
        body=body,
        skin=sample_skin(random),
        head=head,
        top=top,
        outer=outer,
        lower=lower,
        shoes=shoes,
        luggage=sample_luggage(random, is_woman=is_woman),
        seed=int(random.integers(2**31)),
    )
