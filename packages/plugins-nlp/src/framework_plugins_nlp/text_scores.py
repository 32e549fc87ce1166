"""How near made texts are to those that were wanted: BLEU and chrF by sacrebleu, ROUGE by torchmetrics."""

from __future__ import annotations

import re
from collections.abc import Sequence

KEYS = ("rouge1", "rouge2", "rougeL")
_NO_LETTERS = re.compile(r"[\W_]+")


def scores(made: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """BLEU and chrF of all texts, of 100; the mean F of ROUGE-1, -2 and -L and the share of equal texts, of 1.

    Args:
        made: The texts of a model.
        wanted: The one text that each was to be.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    references = [list(wanted)]
    equal = sum(one.strip() == other.strip() for one, other in zip(made, wanted, strict=True))
    return {
        "bleu": BLEU().corpus_score(list(made), references).score,
        "chrf": CHRF().corpus_score(list(made), references).score,
        **rouge(made, wanted),
        "exact_match": equal / len(wanted),
    }


def rouge(made: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """The mean F of ROUGE-1, -2 and -L, without a stemmer; words are whatever letters of any script stand together.

    Args:
        made: The texts of a model.
        wanted: The one text that each was to be.
    """
    from torchmetrics.functional.text.rouge import rouge_score

    found = rouge_score(list(made), list(wanted), rouge_keys=KEYS, normalizer=_words)
    return {key.lower(): float(found[f"{key}_fmeasure"]) for key in KEYS}


def rouge_of_each(made: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """The F of ROUGE-L of each text, of 1; their mean is that of ``rouge``.

    Args:
        made: The texts of a model.
        wanted: The one text that each was to be.
    """
    from torchmetrics.functional.text.rouge import rouge_score

    return [
        float(rouge_score([text], [one], rouge_keys="rougeL", normalizer=_words)["rougeL_fmeasure"])
        for text, one in zip(made, wanted, strict=True)
    ]


def of_one(made: str, wanted: str) -> float:
    """ChrF of one text, from 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(made, [wanted]).score)


def _words(text: str) -> str:
    return _NO_LETTERS.sub(" ", text.lower()).strip()
