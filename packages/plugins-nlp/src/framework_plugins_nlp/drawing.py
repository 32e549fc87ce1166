"""Which token comes next, likely or by chance: the same wherever a model runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def chance_of(seed: int, tokens: Sequence[int]) -> np.random.Generator:
    """What a text is continued with: the same for the same text, whatever stands beside it.

    Args:
        seed: Another one draws another text.
        tokens: The text.
    """
    return np.random.default_rng([seed, *tokens])


def drawn(
    logits: npt.NDArray[Any],
    temperature: float,
    top_k: int | None,
    chance: np.random.Generator,
    *,
    top_p: float = 1.0,
) -> int:
    """A token.

    It is the one whose logit with noise of Gumbel's distribution is the largest, which draws by the probabilities
    (Maddison et al., https://arxiv.org/abs/1411.0030, section 2), and changes little where a logit does.

    Args:
        logits: One for each token, ``(vocabulary)``.
        temperature: How daring it is: 0 takes the likeliest.
        top_k: Among how many of the likeliest; ``None`` draws among all.
        chance: What is drawn with.
        top_p: Among the likeliest that together have so much probability.
    """
    if temperature == 0:
        return int(logits.argmax())
    heated = logits.astype(np.float64) / temperature
    if top_k is not None and top_k < len(heated):
        heated[heated < np.partition(heated, -top_k)[-top_k]] = -np.inf
    if top_p < 1:
        # Nucleus sampling, Holtzman et al., https://arxiv.org/abs/1904.09751: the likeliest one is always there.
        chances = np.exp(heated - heated.max())
        chances /= chances.sum()
        order = np.argsort(-chances, kind="stable")
        found = chances[order]
        heated[order[found.cumsum() - found >= top_p]] = -np.inf
    return int((heated + chance.gumbel(size=len(heated))).argmax())
