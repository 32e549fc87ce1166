"""The test sample by sample, in numbers that give no sample away: slices and drift are told from it."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core.base.model import BaseModel
from framework_core.contracts.processing import Processing
from framework_core.errors import FrameworkError
from framework_core.serving.features import Values, predicted, statistics
from framework_core.serving.networks import OUTPUTS
from framework_core.serving.processing import Array, Postprocessing, Sample, build
from framework_core.training.evidence import Answers

MOST_SAMPLES = 20_000
"""Samples of which something is kept; of a larger test so many, evenly spaced."""

MOST_FEATURES = 2_000
"""Samples that are read once more for their features."""

SECONDS = 5.0
"""How long that may take; a part of them, drawn by chance, stands for all then."""

DIGITS = 6


def tested_samples(
    model: BaseModel, answers: Answers | None, losses: Sequence[float], datamodule: Any
) -> dict[str, Any] | None:
    """What is kept of each sample of the test; nothing where there is no test.

    Args:
        model: It is in evaluation mode and on the processor.
        answers: What it answered, where that can be told sample by sample; windows of a series and words of a sentence
            depend on each other, and of those there are features alone.
        losses: The loss of each answer.
        datamodule: The data; its ``test_dataset`` is in the order of the answers.

    Returns:
        ``samples``: how many the test has; ``target``: a digest of what was right; ``index``: the numbers of those
        kept; and of each of these ``scores`` (``correct`` where there are classes, ``loss``), ``groups`` (texts),
        ``features`` and ``predictions``, lists by name, with nothing where it is not known.
    """
    if answers is None:
        return _inputs_alone(model, datamodule)
    count = len(answers.target)
    index = _spaced(count, MOST_SAMPLES)
    kept = Answers(answers.outputs[index], answers.target[index])
    names = model.data.class_names
    rows = _said(model, kept.outputs)
    said = [predicted(row, names) for row in rows]
    return {
        "samples": count,
        "target": hashlib.sha256(answers.target.contiguous().numpy().tobytes()).hexdigest(),
        "index": index,
        "scores": {**_right(model, kept), "loss": [_number(losses[each]) for each in index]},
        "groups": _groups(kept, names, getattr(datamodule, "groups", {}).get("test", {}), index, count),
        "features": _features(model, datamodule, index, count),
        "predictions": _columns(said),
    }


def _inputs_alone(model: BaseModel, datamodule: Any) -> dict[str, Any] | None:
    dataset: Any = getattr(datamodule, "test_dataset", None)
    count = len(dataset) if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") else 0
    index = _spaced(count, MOST_FEATURES)
    features = _features(model, datamodule, index, count) if count else {}
    if not features:
        return None
    nothing: dict[str, Any] = {"scores": {}, "groups": {}, "predictions": {}}
    return {"samples": count, "target": "", "index": index, "features": features, **nothing}


def input_of(item: Any) -> Array:
    """The input of a sample as a dataset gives it, alone or before its target."""
    tensor = item[0] if isinstance(item, list | tuple) else item
    return np.asarray(tensor.numpy() if isinstance(tensor, Tensor) else tensor)


def _spaced(count: int, most: int) -> list[int]:
    return list(range(count)) if count <= most else [number * count // most for number in range(most)]


def _has_label(answers: Answers) -> bool:
    outputs, target = answers.outputs, answers.target
    return outputs.ndim == 2 and target.ndim == 1 and not target.is_floating_point()


def _right(model: BaseModel, answers: Answers) -> dict[str, list[float | None]]:
    """Whether each answer is right, where there are classes."""
    if not _has_label(answers) or not model.data.class_names:
        return {}
    right = answers.outputs.argmax(dim=1) == answers.target
    return {"correct": [float(each) for each in right.tolist()]}


def _said(model: BaseModel, outputs: Tensor) -> list[dict[str, Any]]:
    """What the model says of each sample, as a server says it; the likeliest class where it says nothing."""
    with torch.inference_mode():
        shares = model.probabilities(outputs)
    described = _built(model.postprocessing())
    if isinstance(described, Postprocessing):
        given = [outputs] if shares is None else [outputs, shares]
        arrays = {name: each.float().numpy() for name, each in zip(OUTPUTS, given, strict=False)}
        rows: list[dict[str, Any]] = described.rows(arrays)
        return rows
    names = model.data.class_names
    if outputs.ndim != 2 or outputs.shape[1] != len(names):
        return []
    return [{"label": names[label]} for label in outputs.argmax(dim=1).tolist()]


def _groups(
    answers: Answers, names: Sequence[str], groups: Mapping[str, Sequence[str]], index: Sequence[int], count: int
) -> dict[str, list[str]]:
    found = {}
    if _has_label(answers) and names:
        known = dict(enumerate(names))
        found["class"] = [known.get(label, "") for label in answers.target.tolist()]
    own = {name: values for name, values in groups.items() if len(values) == count and 1 < len(set(values)) < count}
    return found | {name: [str(values[each]) for each in index] for name, values in own.items()}


def _features(model: BaseModel, datamodule: Any, index: Sequence[int], count: int) -> dict[str, list[float | None]]:
    """The features of samples in an order drawn by chance, until the time is over."""
    dataset = getattr(datamodule, "test_dataset", None)
    if dataset is None or not hasattr(dataset, "__len__") or len(dataset) != count:
        return {}
    of_input = _described(model, datamodule)
    places = list(range(len(index)))
    random.Random(0).shuffle(places)
    end = time.monotonic() + SECONDS
    found: list[Mapping[str, float]] = [{}] * len(index)
    for place in places[:MOST_FEATURES]:
        if time.monotonic() > end:
            break
        values = input_of(dataset[index[place]])
        if values.dtype.kind not in "iufb":
            return {}
        found[place] = of_input(values)
    columns = _columns(found)
    return {name: values for name, values in columns.items() if not any(isinstance(each, str) for each in values)}


def _described(model: BaseModel, datamodule: Any) -> Any:
    """How an input is described: as a server of this model describes it."""
    preprocessing = _built(getattr(datamodule, "preprocessing", lambda data: None)(model.data))
    if preprocessing is None:
        return statistics
    return lambda values: preprocessing.features(Sample(values))


def _built(processing: Processing | None) -> Any:
    """What is described; nothing where what it needs is not installed."""
    try:
        return None if processing is None else build(processing)
    except FrameworkError:
        return None


def _columns(rows: Sequence[Values | Mapping[str, float]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_number(row.get(name)) for row in rows] for name in names}


def _number(value: Any) -> Any:
    """As few digits as are needed; nothing where it is no number, for JSON has no word for it."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
