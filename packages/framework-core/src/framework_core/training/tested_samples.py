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
from framework_core.contracts.scores import SampleScore, ScoredSamples, are_moments
from framework_core.errors import ContractError, FrameworkError
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

Groups = tuple[dict[str, list[Any]], dict[str, list[Any]]]
"""What samples have in common, and when they were."""


def tested_samples(
    model: BaseModel, answers: Answers | None, losses: Sequence[float], own: ScoredSamples | None, datamodule: Any
) -> dict[str, Any] | None:
    """What is kept of each sample of the test; nothing where there is no test.

    Args:
        model: It is in evaluation mode and on the processor.
        answers: What it answered, where ``test_step`` gave it sample by sample.
        losses: The loss of each answer.
        own: What the model says of each sample itself.
        datamodule: The data; its ``test_dataset`` is in the order of the answers.

    Returns:
        ``samples``: how many the test has; ``target``: a digest of what was right; ``index``: the numbers of those
        kept; and of each of these ``scores`` (what ``SampleScore`` has), ``groups`` (texts, or numbers), ``times``,
        ``features`` and ``clusters``, lists by name, with nothing where it is not known. ``predictions`` has the
        columns of answers, ``inputs`` the features of what the model was given, where that is not the samples.

    Raises:
        ContractError: What the model says has not a value for each sample.
    """
    if answers is not None:
        count = len(answers.target)
    elif own is not None:
        count = len(own.truth)
    else:
        return _inputs_alone(model, datamodule)
    if own is not None:
        _check(model, own, count)
    index = _spaced(count, MOST_SAMPLES)
    kept = None if answers is None else Answers(answers.outputs[index], answers.target[index])
    scores = {} if own is None else {name: _score(each, index) for name, each in own.scores.items()}
    grouped = _groups(model, kept, getattr(datamodule, "groups", {}).get("test", {}), index, count)
    features = _features(model, datamodule, index, count)
    return {
        "samples": count,
        "target": _digest(answers, own),
        "index": index,
        "scores": {**_right(model, kept), **scores, **_losses(answers, losses, index)},
        **_with_own(grouped, own, index),
        "features": features,
        "inputs": {} if features else (_inputs_alone(model, datamodule) or {}).get("features", {}),
        "clusters": [] if own is None or not own.clusters else [int(own.clusters[each]) for each in index],
        "predictions": _predictions(model, kept, own),
    }


def _check(model: BaseModel, own: ScoredSamples, count: int) -> None:
    """See that there is a value for each sample.

    Raises:
        ContractError: There is not.
    """
    lists: dict[str, Sequence[Any]] = {"truth": own.truth, **_listed("", own.scores)}
    lists |= {f"groups of {name}": values for name, values in own.groups.items()}
    lists |= {f"features of {name}": values for name, values in own.features.items()}
    lists |= {f"times of {name}": values for name, values in own.times.items()}
    lists |= {"clusters": own.clusters} if own.clusters else {}
    wrong = [f"{name}: {len(values):,}" for name, values in lists.items() if len(values) != count]
    if wrong:
        raise ContractError(
            f"{type(model).__name__}.scored_samples does not fit the test of {count:,} samples",
            wrong,
            next_step="Give each list a value for each sample of the test, in its order.",
        )


def _listed(place: str, scores: Mapping[str, SampleScore]) -> dict[str, Sequence[Any]]:
    found: dict[str, Sequence[Any]] = {}
    for name, score in scores.items():
        found[f"scores of {place}{name}"] = score.values
        found |= {f"weights of {place}{name}": score.weights} if len(score.weights) else {}
        for column, parts in score.parts.items():
            found |= _listed(f"{place}{name}, {column} ", parts)
    return found


def _score(score: SampleScore, index: Sequence[int]) -> dict[str, Any]:
    """A score as it is kept; nothing of what it has not."""
    found: dict[str, Any] = {"values": [_number(float(score.values[each])) for each in index]}
    if len(score.weights):
        found["weights"] = [_number(float(score.weights[each])) for each in index]
    if score.less_is_better:
        found["less_is_better"] = True
    if score.parts:
        found["parts"] = {
            column: {name: _score(each, index) for name, each in parts.items()} for column, parts in score.parts.items()
        }
    return found


def _losses(answers: Answers | None, losses: Sequence[float], index: Sequence[int]) -> dict[str, Any]:
    if answers is None:
        return {}
    return {"loss": _score(SampleScore(values=losses, less_is_better=True), index)}


def _digest(answers: Answers | None, own: ScoredSamples | None) -> str:
    if answers is not None:
        return hashlib.sha256(answers.target.contiguous().numpy().tobytes()).hexdigest()
    digest = hashlib.sha256()
    for each in () if own is None else own.truth:
        digest.update(f"{each!r}\n".encode())
    return digest.hexdigest()


def _with_own(grouped: Groups, own: ScoredSamples | None, index: Sequence[int]) -> dict[str, Any]:
    """What tells samples apart, by the data and by the model; and their times."""
    groups, times = grouped
    if own is not None:
        groups |= {name: [str(values[each]) for each in index] for name, values in own.groups.items()}
        groups |= _picked({name: [float(each) for each in values] for name, values in own.features.items()}, index)
        times |= _picked(own.times, index)
    return {"groups": groups, "times": times}


def _picked(columns: Mapping[str, Sequence[Any]], index: Sequence[int]) -> dict[str, list[Any]]:
    return {name: [_number(values[each]) for each in index] for name, values in columns.items()}


def _predictions(model: BaseModel, kept: Answers | None, own: ScoredSamples | None) -> dict[str, list[Any]]:
    """The columns of what was said: the model's own rows, or what a server would make of the outputs."""
    rows: Sequence[Mapping[str, Any]] = [] if kept is None else _said(model, kept.outputs)
    if own is not None and own.answers:
        rows = [own.answers[each] for each in _spaced(len(own.answers), MOST_SAMPLES)]
    return _columns([predicted(row, model.data.class_names) for row in rows])


def _inputs_alone(model: BaseModel, datamodule: Any) -> dict[str, Any] | None:
    dataset: Any = getattr(datamodule, "test_dataset", None)
    count = len(dataset) if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") else 0
    index = _spaced(count, MOST_FEATURES)
    features = _features(model, datamodule, index, count) if count else {}
    if not features:
        return None
    nothing: dict[str, Any] = {"scores": {}, "groups": {}, "times": {}, "predictions": {}, "clusters": []}
    return {"samples": count, "target": "", "index": index, "features": features, "inputs": {}, **nothing}


def input_of(item: Any) -> Array:
    """The input of a sample as a dataset gives it, alone or before its target."""
    tensor = item[0] if isinstance(item, list | tuple) else item
    return np.asarray(tensor.numpy() if isinstance(tensor, Tensor) else tensor)


def _spaced(count: int, most: int) -> list[int]:
    return list(range(count)) if count <= most else [number * count // most for number in range(most)]


def _has_label(answers: Answers) -> bool:
    outputs, target = answers.outputs, answers.target
    return outputs.ndim == 2 and target.ndim == 1 and not target.is_floating_point()


def _right(model: BaseModel, answers: Answers | None) -> dict[str, Any]:
    """Whether each answer is right, where there are classes."""
    if answers is None or not _has_label(answers) or not model.data.class_names:
        return {}
    right = answers.outputs.argmax(dim=1) == answers.target
    return {"accuracy": {"values": [float(each) for each in right.tolist()]}}


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
    model: BaseModel,
    answers: Answers | None,
    groups: Mapping[str, Sequence[str]],
    index: Sequence[int],
    count: int,
) -> Groups:
    """What samples have in common by the data; and when they were, where a column says it."""
    found: dict[str, list[Any]] = {}
    names = model.data.class_names
    if answers is not None and _has_label(answers) and names:
        known = dict(enumerate(names))
        found["class"] = [known.get(label, "") for label in answers.target.tolist()]
    fitting = {name: values for name, values in groups.items() if len(values) == count and len(set(values)) > 1}
    times = {name for name, values in fitting.items() if are_moments(values)}
    own = {name: [str(values[each]) for each in index] for name, values in fitting.items()}
    found |= {name: own[name] for name, values in fitting.items() if name not in times and len(set(values)) < count}
    return found, {name: list(own[name]) for name in times}


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
