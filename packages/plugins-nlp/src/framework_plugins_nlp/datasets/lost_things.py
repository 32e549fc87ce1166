"""Reports of lost things, and questions about them: made on the spot, to try models that find answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from framework_plugins_nlp.question_windows import Question
from framework_plugins_nlp.questioned_texts import QuestionedTexts

WHO = ("Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "John", "Katherine", "Niklaus", "Tony")
NAMES = ("Brown", "Clark", "Evans", "Green", "Hill", "King", "Moore", "Price", "Scott", "Young")
THINGS = ("book", "cup", "key", "lamp", "coat", "map", "box", "ball", "hat", "ring", "rope", "shoe")
KINDS = ("old", "new", "small", "red", "blue", "heavy")
PLACES = ("kitchen", "garden", "cellar", "attic", "hall", "garage", "office", "bedroom")
RELATIONS = ("in", "near", "behind", "outside")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIMES = ("morning", "afternoon", "evening")
OTHER = ("It was raining.", "Nobody saw it.", "The police were told.", "There is a reward.", "It was never found.")

ASKED = {
    "who": "Who lost something?",
    "what": "What was lost?",
    "where": "Where was it lost?",
    "when": "When was it lost?",
}


class LostThings(QuestionedTexts):
    """``Ada King lost a red key near the old garden on Monday morning.`` and the like, and who, what, where or when.

    Args:
        count: How many reports there are, with a question each.
        without_answer: The share of the questions about what the report does not say.
        made_seed: Decides what was lost.
        **common: What every dataset of questions takes: ``stride``, ``max_length``, ``val_size`` ...
    """

    def __init__(self, count: int = 1_000, without_answer: float = 0.1, made_seed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.count = count
        self.without_answer = without_answer
        self.made_seed = made_seed

    def read_questions(self) -> Mapping[str, Sequence[Question]]:
        """The reports, each of them once, with a question each."""
        chance = random.Random(self.made_seed)
        found: dict[str, Question] = {}
        while len(found) < self.count:
            made = _made(len(found), chance, self.without_answer)
            found.setdefault(made.context, made)
        return {"train": list(found.values())}

    def source(self) -> str:
        """Made, and how."""
        return f"made: {self.count:,} reports, seed {self.made_seed}"


def _made(number: int, chance: random.Random, without_answer: float) -> Question:
    parts = {
        "who": f"{chance.choice(WHO)} {chance.choice(NAMES)}",
        "what": f"the {chance.choice(KINDS)} {chance.choice(THINGS)}",
        "where": f"{chance.choice(RELATIONS)} the {chance.choice(KINDS)} {chance.choice(PLACES)}",
        "when": f"on {chance.choice(DAYS)} {chance.choice(TIMES)}",
    }
    asked = chance.choice(list(parts))
    answered = asked in ("who", "what") or chance.random() >= 2 * without_answer
    said = [part for name, part in parts.items() if answered or name != asked]
    report = f"{said[0]} lost {' '.join(said[1:])}."
    context = " ".join([*chance.sample(OTHER, k=chance.randint(0, 2)), report, chance.choice(OTHER)])
    if not answered:
        return Question(str(number), ASKED[asked], context)
    return Question(str(number), ASKED[asked], context, (parts[asked],), (context.index(parts[asked]),))
