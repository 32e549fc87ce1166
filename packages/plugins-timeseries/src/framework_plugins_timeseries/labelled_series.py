"""Series that have a class each: missing values, lengths and scales by stated policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from framework_core import DataError
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.series import FILLS, LARGEST, Array, as_said


@dataclass(frozen=True)
class LabelledSeries:
    """One sample.

    Args:
        values: ``(steps, channels)``. NaN is a missing value.
        label: Its class; empty where the file does not say.
        line: The line of the file that it was read from; 0 where there is none.
    """

    values: Array
    label: str
    line: int = 0

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class LabelledSet:
    """Samples with the same channels.

    Args:
        samples: The samples.
        classes: The classes that the file declares; empty where it declares none.
        path: Where they were read.
    """

    samples: Sequence[LabelledSeries]
    classes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def channels(self) -> int:
        """How many channels a sample has."""
        return int(self.samples[0].values.shape[1])

    @property
    def lengths(self) -> list[int]:
        """How many steps each sample has."""
        return [len(each) for each in self.samples]

    def where(self, sample: LabelledSeries) -> str:
        """A sample, for people."""
        place = str(self.path) if self.path else "the data"
        return f"{place}, line {sample.line:,}" if sample.line else place


def without_missing(found: LabelledSet, policy: str) -> LabelledSet:
    """Every missing value filled as the policy says; infinite values and channels without a value are refused.

    Args:
        found: The samples.
        policy: ``refuse``, or what stands for a missing value: ``forward``, ``interpolate`` or ``zero``.

    Raises:
        DataError: A value is missing and the policy refuses that, or there is nothing to fill with.
    """
    return replace(found, samples=[_filled(each, found, policy) for each in found.samples])


def _filled(sample: LabelledSeries, found: LabelledSet, policy: str) -> LabelledSeries:
    place = [found.path] if found.path else []
    if (beyond := np.abs(sample.values) > LARGEST).any():
        step, channel = np.argwhere(beyond)[0]
        said = as_said(sample.values[step, channel])
        raise DataError(
            f"{found.where(sample)}: value {step + 1:,} of channel {channel + 1} is {said}.",
            paths=place,
            possible="A value is a number, or missing: ?",
        )
    absent = np.isnan(sample.values)
    if not absent.any():
        return sample
    if (empty := absent.all(axis=0)).any():
        raise DataError(
            f"{found.where(sample)}: channel {int(empty.argmax()) + 1} has no value at all.",
            paths=place,
            possible="A channel may have gaps, but not be one.",
        )
    if policy == "refuse":
        step, channel = np.argwhere(absent)[0]
        others = sum(1 for each in found.samples if np.isnan(each.values).any())
        raise DataError(
            f"{found.where(sample)}: value {step + 1:,} of channel {channel + 1} is missing; {others:,} of "
            f"{len(found.samples):,} samples have missing values.",
            paths=place,
            possible="forward repeats the last value, interpolate draws a line to the next one, zero takes 0.",
            next_step="Choose what stands for them: dataset.missing=interpolate",
        )
    return replace(sample, values=FILLS[policy](sample.values, absent))


def common_length(training: LabelledSet, policy: str) -> int:
    """How many steps all samples are brought to, told from the training samples.

    Raises:
        DataError: They have different lengths and the policy refuses that.
    """
    lengths = training.lengths
    shortest, longest = min(lengths), max(lengths)
    if policy == "refuse" and shortest != longest:
        raise _unequal(training, shortest, longest)
    return shortest if policy == "truncate" else longest


def check_channels(found: LabelledSet, channels: int) -> None:
    """See that samples have the channels of the training samples.

    Raises:
        DataError: They have others.
    """
    if found.channels != channels:
        raise DataError(
            f"{found.path or 'The data'} has {found.channels} channels, and the model is trained on {channels}.",
            paths=[found.path] if found.path else [],
            possible="Training, test and what is predicted have the same channels, in the same order.",
        )


def check_lengths(found: LabelledSet, length: int, policy: str) -> None:
    """See that samples have the length of the training samples, where the policy asks for that.

    Raises:
        DataError: One has another.
    """
    if policy == "refuse" and (other := next((each for each in found.samples if len(each) != length), None)):
        raise DataError(
            f"{found.where(other)}: a series of {len(other):,} steps; those that are trained on have {length:,}.",
            paths=[found.path] if found.path else [],
            possible=_POLICIES,
            next_step="Choose what is done with them: dataset.unequal=pad",
        )


def _unequal(training: LabelledSet, shortest: int, longest: int) -> DataError:
    first = next(each for each in training.samples if len(each) != len(training.samples[0]))
    return DataError(
        f"The series have different lengths, {shortest:,} to {longest:,} steps: {training.where(first)} has "
        f"{len(first):,}, the first {len(training.samples[0]):,}.",
        paths=[training.path] if training.path else [],
        possible=_POLICIES,
        next_step="Choose what is done with them: dataset.unequal=pad",
    )


_POLICIES = "pad puts zeros behind, truncate cuts to the shortest, resample draws each anew at the longest's length."


@dataclass(frozen=True)
class Preparation:
    """What is done with every sample before a model sees it; fitted on the training samples, and kept with the run.

    Args:
        length: How many steps it is brought to.
        unequal: How: ``pad``, ``truncate``, ``resample``; or ``refuse``.
        missing: What stands for a missing value.
        scaler: The scale of each channel; none where each sample has its own.
    """

    length: int
    unequal: str
    missing: str
    scaler: Scaler | None

    def apply(self, found: LabelledSet) -> Array:
        """The samples as ``(samples, channels, steps)``.

        Raises:
            DataError: A value is missing or a length is another, and that is refused.
        """
        check_lengths(found, self.length, self.unequal)
        filled = without_missing(found, self.missing)
        return np.stack([self._one(each.values).T for each in filled.samples])

    def _one(self, values: Array) -> Array:
        scaled = own_scale(values) if self.scaler is None else self.scaler.apply(values, 0)
        if len(scaled) == self.length:
            return scaled
        if self.unequal == "resample":
            return resampled(scaled, self.length)
        # What is behind the longest training sample is cut, whatever the policy: a network has one length.
        return np.pad(scaled[: self.length], ((0, max(0, self.length - len(scaled))), (0, 0)))


def own_scale(values: Array) -> Array:
    """Each channel by its own mean and standard deviation; one that never changes is zero."""
    spread = values.std(axis=0)
    scaled: Array = (values - values.mean(axis=0)) / np.where(spread > 1e-8, spread, 1.0)
    return scaled


def resampled(values: Array, length: int) -> Array:
    """Each channel at ``length`` places, evenly from its first step to its last, on lines between its steps."""
    steps = np.arange(len(values))
    places = np.linspace(0, len(values) - 1, length)
    return np.stack([np.interp(places, steps, column) for column in values.T], axis=1)
