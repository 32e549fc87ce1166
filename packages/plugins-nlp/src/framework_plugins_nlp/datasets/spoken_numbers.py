"""Numbers in English words, and the same in digits: made on the spot, to try models that make one text of another."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from framework_plugins_nlp.paired_texts import PairedTexts, Pairs

HIGHEST = 999_999

_TO_NINE = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thir", "four", "fif", "six", "seven", "eigh", "nine"]
_ONES = [*_TO_NINE, *_TEENS[:3], *(f"{each}teen" for each in _TEENS[3:])]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


class SpokenNumbers(PairedTexts):
    """From ``four thousand and twelve`` to ``4012``, numbers below a million, each once.

    Args:
        count: How many numbers there are.
        number_seed: Decides which.
        **common: What every dataset of pairs takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    default_tokenizer: ClassVar[str] = "character"

    def __init__(self, count: int = 4_000, number_seed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.count = count
        self.number_seed = number_seed

    def read_pairs(self) -> Mapping[str, Pairs]:
        """The numbers, as many of few digits as of many."""
        chance = random.Random(self.number_seed)
        found: dict[int, None] = {}
        while len(found) < self.count:
            found[chance.randint(0, chance.choice((999, 9_999, 99_999, HIGHEST)))] = None
        return {"train": Pairs([in_words(number) for number in found], [str(number) for number in found])}

    def source(self) -> str:
        """Made, and how."""
        return f"made: {self.count:,} numbers below a million, seed {self.number_seed}"


def in_words(number: int) -> str:
    """A number below a million in English words."""
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        rest = number % 10
        return _TENS[number // 10] + (f"-{_ONES[rest]}" if rest else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    first, rest = divmod(number, size)
    joined = " and " if 0 < rest < 100 else " "
    return f"{in_words(first)} {name}" + (f"{joined}{in_words(rest)}" if rest else "")
