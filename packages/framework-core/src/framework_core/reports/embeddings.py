"""How far samples have moved as the model itself sees them: by what goes into its last linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from framework_core.errors import FrameworkError
from framework_core.reports.shift import CHANCE, Numbers, Shift

if TYPE_CHECKING:
    from framework_core.trained import Predictor

MOST = 500
"""Samples of a side."""

AXES = 32
"""To which embeddings are projected (Johnson and Lindenstrauss 1984): a distance of fewer axes needs fewer samples."""

DRAWS = 200


def embedding_shift(predictor: Predictor, found: Any, *, fewest: int) -> Shift | str:
    """Compare samples with those of the test.

    The distance is that of Fréchet between normal distributions (Dowson and Landau, The Fréchet Distance between
    Multivariate Normal Distributions, Journal of Multivariate Analysis 1982), as Heusel et al. take it of embeddings
    (https://arxiv.org/abs/1706.08500), squared and as a share of the variance of the test. What chance gives is told by
    dealing all samples out to two sides again, two hundred times.

    Args:
        predictor: The model.
        found: The samples.
        fewest: How many each side has to have.

    Returns:
        How far they have moved; or why that is not told.
    """
    from framework_core.training.preparation import set_up_data

    trained = predictor.trained
    try:
        datamodule: Any = set_up_data(trained.config.dataset, "test", like=trained.data)
    except (FrameworkError, OSError) as error:
        return f"embedding: the data of the run is not here ({str(error).splitlines()[0]})"
    if _axes(datamodule.test_dataset) != _axes(found):
        return "embedding: what the model answers has another form than the samples of its test"
    sides = [
        _embeddings(trained.model, datamodule, datamodule.test_dataset),
        _embeddings(trained.model, predictor.datamodule, found),
    ]
    if min(map(len, sides)) < fewest:
        return f"embedding: {len(sides[0])} of the test, {len(sides[1])} now"
    one, other = (_projected(side) for side in sides)
    distance = frechet(one, other)
    by_chance, p_value = _by_chance(one, other, distance)
    variance = float(one.var(axis=0, ddof=1).sum()) or 1.0
    return Shift(
        part="embeddings",
        name="embedding",
        psi=distance / variance,
        by_chance=by_chance / variance,
        test="Fréchet",
        statistic=distance,
        p_value=p_value,
        bins=(),
        before=(),
        now=(),
        counts=(len(one), len(other)),
    )


def frechet(one: Numbers, other: Numbers) -> float:
    """The squared distance of two sides, each taken for normal.

    Args:
        one: ``(samples, axes)``.
        other: ``(samples, axes)``.
    """
    apart = one.mean(axis=0) - other.mean(axis=0)
    covariances = [np.cov(side, rowvar=False).reshape(side.shape[1], -1) for side in (one, other)]
    roots = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None))
    traces = sum(float(np.trace(each)) for each in covariances)
    return max(0.0, float(apart @ apart) + traces - 2 * float(roots.sum()))


def _by_chance(one: Numbers, other: Numbers, distance: float) -> tuple[float, float]:
    """The distance that chance alone gives at most, and how often it gives as much as was found."""
    random = np.random.default_rng(0)
    both = np.concatenate([one, other])
    drawn = np.empty(DRAWS)
    for number in range(DRAWS):
        order = random.permutation(len(both))
        drawn[number] = frechet(both[order[: len(one)]], both[order[len(one) :]])
    return float(np.quantile(drawn, 1 - CHANCE)), float((1 + (drawn >= distance).sum()) / (1 + DRAWS))


def _projected(values: Numbers) -> Numbers:
    width = values.shape[1]
    if width <= AXES:
        return values
    return np.asarray(values @ np.random.default_rng(0).normal(size=(width, AXES)) / np.sqrt(AXES))


def _embeddings(model: Any, datamodule: Any, dataset: Any) -> Numbers:
    """What goes into the last linear layer, the mean over places where it is asked at several; nothing without one."""
    import torch
    from torch import nn

    layers = [each for each in model.modules() if isinstance(each, nn.Linear)]
    count = len(dataset) if hasattr(dataset, "__len__") else 0
    if not layers or not count:
        return np.empty((0, 0))
    seen: list[Any] = []
    hook = layers[-1].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].detach()))
    parts = []
    try:
        with torch.inference_mode():
            model.cpu().eval()
            for batch in datamodule.loader(dataset, sampler=_spaced(count)):
                inputs = batch[0] if isinstance(batch, list | tuple) else batch
                seen.clear()
                model(inputs)
                if seen and len(seen[-1]) == len(inputs):
                    parts.append(seen[-1].float().reshape(len(inputs), -1, seen[-1].shape[-1]).mean(dim=1).numpy())
    finally:
        hook.remove()
    return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, 0))


def _axes(dataset: Any) -> int:
    """How many axes a sample has: a text to be answered has not the one of its answer. Of no samples 0."""
    from framework_core.training.tested_samples import input_of

    count = len(dataset) if hasattr(dataset, "__len__") else 0
    return input_of(dataset[0]).ndim if count else 0


def _spaced(count: int) -> Sequence[int]:
    return range(count) if count <= MOST else [number * count // MOST for number in range(MOST)]
