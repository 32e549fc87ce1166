"""Masks to be filled in where a model answers: from the content of a file to tokens, and to words. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from framework_core.serving.processing import Array, Postprocessing, Row, Sample
from framework_plugins_nlp.masks import candidates, check_masks, filled, likeliest, sign_of, signed
from framework_plugins_nlp.serving_texts import LineInputs


class MaskedInputs(LineInputs):
    """The lines of a file, or the column of a table, with ``[MASK]`` for what is to be filled in; a row each."""

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The texts of a file.

        Raises:
            DataError: It cannot be read, there is no text, or one has nothing to fill in.
        """
        texts = signed(self.texts(content, Path(f"input{suffix}")), sign_of(self.tokenizer))
        encoded = self.tokenizer.encode([each.text for each in texts], max_length=self.max_length)
        check_masks(texts, encoded, self.tokenizer, self.max_length)
        return [Sample(encoded.of(index), each.row) for index, each in enumerate(texts)]

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each text: the text, the text filled in, and what could stand for each mask."""
        return [self._row(sample, row) for sample, row in zip(samples, said, strict=True)]

    def _row(self, sample: Sample, said: Row) -> Row:
        masks = np.flatnonzero(sample.input == self.tokenizer.mask_id).tolist()
        tokens, shares = ([said[name][place] for place in masks] for name in ("tokens", "shares"))
        row = {**sample.row, "candidates": candidates(self.tokenizer, tokens, shares)}
        return filled(row, sign_of(self.tokenizer))


class MaskAnswers(Postprocessing):
    """The likeliest tokens for each token of a text.

    Args:
        special: Tokens that are no text, and never meant.
    """

    def __init__(self, special: Sequence[int]) -> None:
        self.special = special

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``tokens`` and ``shares``: for each token the likeliest and their probabilities."""
        found = (likeliest(each, self.special) for each in outputs["output"])
        return [{"tokens": tokens.tolist(), "shares": shares.tolist()} for tokens, shares in found]
