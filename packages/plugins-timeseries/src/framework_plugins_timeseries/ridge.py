"""Ridge regression solved at once, its penalty chosen by leaving one sample out.

Axes: N samples, F features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

PENALTIES = tuple(10.0 ** (power / 3) for power in range(-9, 10, 2))
"""Ten, evenly from 0.001 to 1,000 on a scale of powers, as the authors of ROCKET take them."""

TEMPERATURES: tuple[float, ...] = tuple(2.0 ** (power / 4) for power in range(-8, 13))


@dataclass(frozen=True)
class Ridge:
    """Linear scores of classes.

    Args:
        weight: ``(K, F)``.
        bias: ``(K,)``.
        penalty: The one that was chosen.
        accuracy: The share of samples whose class is right when they are left out.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    accuracy: float


def fit_ridge(features: Tensor, labels: Tensor, classes: int) -> Ridge:
    """Fit scores to 1 for a sample's class and -1 for others.

    What a sample scores when it is left out of the fit is known from the fit with it (Golub, Heath and Wahba,
    https://doi.org/10.1080/00401706.1979.10489751, section 1), so every penalty is judged by such scores. They also say
    by which number scores are multiplied to be logits: that with the smallest cross-entropy of them.

    Args:
        features: ``(N, F)``.
        labels: ``(N,)``.
        classes: How many there are.
    """
    targets = 2.0 * functional.one_hot(labels, classes).double() - 1
    x = features.double()
    middle, mean = x.mean(dim=0), targets.mean(dim=0)
    x, y = x - middle, targets - mean
    values, vectors = torch.linalg.eigh(x @ x.T)
    values = values.clamp(min=0)
    turned = vectors.T @ y
    errors = {penalty: _left_out(penalty, values, vectors, turned) for penalty in PENALTIES}
    penalty = min(errors, key=lambda each: float(errors[each].square().mean()))
    scores = targets - errors[penalty]
    weight = (x.T @ (vectors @ (turned / (values + penalty)[:, None]))).T
    factor = _temperature(scores, labels)
    accuracy = float((scores.argmax(dim=1) == labels).double().mean())
    return Ridge(factor * weight, factor * (mean - weight @ middle), penalty, accuracy)


def _left_out(penalty: float, values: Tensor, vectors: Tensor, turned: Tensor) -> Tensor:
    """By how much each sample's scores are wrong when it is left out, ``(N, K)``."""
    wrong = vectors @ (turned * (penalty / (values + penalty))[:, None])
    own = 1 - 1 / len(vectors) - (vectors.square() * (values / (values + penalty))).sum(dim=1)
    return wrong / own.clamp(min=1e-10)[:, None]


def _temperature(scores: Tensor, labels: Tensor) -> float:
    return min(TEMPERATURES, key=lambda factor: float(functional.cross_entropy(scores * factor, labels)))
