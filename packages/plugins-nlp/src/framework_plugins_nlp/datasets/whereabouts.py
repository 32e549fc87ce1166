"""Texts about what is where, and questions about them: made on the spot, to try models that find answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from framework_plugins_nlp.question_windows import Question
from framework_plugins_nlp.questioned_texts import QuestionedTexts

COLOURS = ("red", "blue", "green", "white", "black", "yellow")
THINGS = ("book", "cup", "key", "lamp", "coat", "map", "box", "ball")
PLACES = ("kitchen", "garden", "cellar", "attic", "hall", "garage", "office", "bedroom")
RELATIONS = ("in", "near", "behind", "outside")


class Whereabouts(QuestionedTexts):
    """``The red cup is in the old kitchen.`` and the like, some sentences each, and where one of the things is.

    Args:
        count: How many texts there are, with a question each.
        without_answer: The share of the questions that are about a thing which the text does not have.
        made_seed: Decides what is where.
        **common: What every dataset of questions takes: ``stride``, ``max_length``, ``val_size`` ...
    """

    def __init__(self, count: int = 1_000, without_answer: float = 0.1, made_seed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.count = count
        self.without_answer = without_answer
        self.made_seed = made_seed

    def read_questions(self) -> Mapping[str, Sequence[Question]]:
        """The texts with a question each."""
        chance = random.Random(self.made_seed)
        return {"train": [_made(number, chance, self.without_answer) for number in range(self.count)]}

    def source(self) -> str:
        """Made, and how."""
        return f"made: {self.count:,} texts, seed {self.made_seed}"


def _made(number: int, chance: random.Random, without_answer: float) -> Question:
    things = chance.sample([f"{colour} {thing}" for colour in COLOURS for thing in THINGS], k=6)
    places = [
        f"{chance.choice(RELATIONS)} the {chance.choice(('old', 'new', 'small', 'large'))} {chance.choice(PLACES)}"
        for _ in things
    ]
    told = list(zip(things[1:], places[1:], strict=True))
    sentences = [f"The {thing} is {place}." for thing, place in told]
    context = " ".join(sentences)
    if chance.random() < without_answer:
        return Question(str(number), f"Where is the {things[0]}?", context)
    asked = chance.randrange(len(told))
    thing, place = told[asked]
    start = sum(len(each) + 1 for each in sentences[:asked]) + len(f"The {thing} is ")
    return Question(str(number), f"Where is the {thing}?", context, (place,), (start,))
