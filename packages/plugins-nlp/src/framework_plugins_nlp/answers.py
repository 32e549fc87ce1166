"""How answers to questions are compared: as the Stanford Question Answering Dataset (SQuAD) does."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """An answer in small letters, without punctuation, articles and further blanks."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(said: str, wanted: Sequence[str]) -> float:
    """1 where an answer is one of those wanted, and else 0; where there is to be none, saying nothing is right."""
    return float(any(normalised(said) == normalised(each) for each in wanted or [""]))


def f1(said: str, wanted: Sequence[str]) -> float:
    """The words that an answer shares with the one wanted that is nearest to it."""
    return max(_f1(normalised(said).split(), normalised(each).split()) for each in wanted or [""])


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted))
