"""What an answer says of a sentence: its tags and entities, and the text with its entities marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_plugins_nlp.sentence_reader import NewSentence
from framework_plugins_nlp.tags import OUTSIDE, PLAIN, entities


def sentence_row(
    sentence: NewSentence,
    begun: npt.NDArray[np.int32],
    tags: Sequence[str],
    confidence: Sequence[float],
    scheme: str,
) -> dict[str, Any]:
    """Where a sentence stands, the text with its entities marked, tags, and entities.

    A word without a token is in no entity, and its tag is empty where tags mark none.

    Args:
        sentence: The sentence.
        begun: For each token the word that it begins, or -1.
        tags: The tag of each token.
        confidence: Its probability.
        scheme: What tags mark.
    """
    places = np.flatnonzero(begun >= 0).tolist()
    of_words = {int(begun[place]): (tags[place], float(confidence[place])) for place in places}
    usual = ("" if scheme == PLAIN else OUTSIDE, 0.0)
    pairs = [of_words.get(index, usual) for index in range(len(sentence.words))]
    names, shares = [tag for tag, _ in pairs], [share for _, share in pairs]
    words = list(sentence.words)
    if scheme == PLAIN:
        marked = " ".join(f"{word}/{tag}" for word, tag in zip(words, names, strict=True))
        return {"line": sentence.line, "marked": marked, "words": words, "tags": names, "confidence": shares}
    spans = [
        {
            "type": kind,
            "text": " ".join(words[start:end]),
            "start": start,
            "end": end,
            "confidence": min(shares[start:end]),
        }
        for kind, start, end in entities(names)
    ]
    marked = marked_text(words, names)
    return {"line": sentence.line, "marked": marked, "words": words, "tags": names, "entities": spans}


def marked_text(words: Sequence[str], tags: Sequence[str]) -> str:
    """A sentence with its entities in brackets: ``[PER Ada Lovelace] lived in [LOC London]``."""
    parts, place = [], 0
    for kind, start, end in entities(tags):
        parts += [*words[place:start], f"[{kind} {' '.join(words[start:end])}]"]
        place = end
    return " ".join([*parts, *words[place:]])
