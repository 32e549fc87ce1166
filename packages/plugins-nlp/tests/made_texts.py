"""Texts made on the spot, whose words tell their class."""

from __future__ import annotations

import random

WORDS = {"sport": "match goal team ball score", "food": "soup bread apple salt pan", "sky": "star moon cloud rain sun"}
"""Words by the class of a text; every text has some of its own class and some that say nothing."""


def made_texts(count: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Texts and labels, the classes in turn, of 4 to 12 words."""
    chance = random.Random(seed)
    found = []
    for index in range(count):
        label = list(WORDS)[index % len(WORDS)]
        own = chance.choices(WORDS[label].split(), k=chance.randint(2, 6))
        other = chance.choices(["the", "a", "of", "and", "to", "in", "was", "near"], k=chance.randint(2, 6))
        words = own + other
        chance.shuffle(words)
        found.append((" ".join(words), label))
    return found
