"""What a model asks of data, and what a batch must look like to be the data that was described."""

from __future__ import annotations

from pydantic import Field

from framework_core.contracts._contract import Contract
from framework_core.contracts.data import DataSpec


class ModelContract(Contract):
    """What a model asks of the data it is given. An empty field asks for nothing."""

    tasks: tuple[str, ...] = ()
    """The tasks it can be trained for."""

    channels: tuple[int, ...] = ()
    """The numbers of channels it takes."""

    size: tuple[int, ...] = ()
    """The only size it takes, without the channels: ``(height, width)``."""

    min_size: tuple[int, ...] = ()
    """The smallest size it takes, without the channels."""

    multiple_of: int | None = Field(default=None, ge=1)
    """Every size must be a multiple of this."""

    min_classes: int = Field(default=0, ge=0)
    """How many classes there must be at least."""

    advice: str = ""
    """What to do where the data does not fit, for the error message."""

    def check(self, data: DataSpec) -> list[str]:
        """What does not fit, one sentence each; empty where all fits."""
        found = []
        size = data.input_shape[1:]
        if self.tasks and data.task not in self.tasks:
            found.append(f"the data is for {data.task}, the model learns {_either(self.tasks)}")
        if self.channels and data.input_shape and data.channels not in self.channels:
            found.append(f"the data has {data.channels} channels, the model takes {_either(self.channels)}")
        if self.size and size and size != self.size:
            found.append(f"the data has size {_by(size)}, the model takes {_by(self.size)} only")
        if (
            self.min_size
            and len(size) == len(self.min_size)
            and any(has < least for has, least in zip(size, self.min_size, strict=True))
        ):
            found.append(f"the data has size {_by(size)}, the model takes {_by(self.min_size)} or more")
        if self.multiple_of and any(length % self.multiple_of for length in size):
            found.append(f"the data has size {_by(size)}, the model takes multiples of {self.multiple_of}")
        if data.num_classes < self.min_classes:
            found.append(f"the data has {data.num_classes} classes, the model needs {self.min_classes} or more")
        return found


class BatchSummary(Contract):
    """One real batch in plain values."""

    input_shape: tuple[int, ...]
    """The shape of the inputs, the batch first."""

    input_dtype: str
    """Their dtype, by its torch name."""

    target_shape: tuple[int, ...]
    """The shape of the targets, the batch first."""

    target_dtype: str
    """Their dtype, by its torch name."""

    target_min: float
    """The smallest target, those to ignore left out."""

    target_max: float
    """The largest target."""

    inputs_finite: bool = True
    """Whether no input is NaN or infinite."""

    targets_finite: bool = True
    """Whether no target is NaN or infinite."""


class DataContract(Contract):
    """What a datamodule promises with its ``DataSpec``: batches are what it said the data is."""

    data: DataSpec
    """What the datamodule said."""

    def check(self, batch: BatchSummary) -> list[str]:
        """What a real batch has otherwise, one sentence each; empty where all fits."""
        found = []
        said = self.data
        shape = batch.input_shape[1:]
        if said.input_shape and shape != said.input_shape:
            found.append(f"a sample has shape {_by(shape)}, the data was said to have {_by(said.input_shape)}")
        if batch.input_dtype != said.input_dtype:
            found.append(f"inputs are {batch.input_dtype}, the data was said to be {said.input_dtype}")
        if not batch.inputs_finite:
            found.append("inputs hold NaN or infinite values")
        if batch.target_shape[:1] != batch.input_shape[:1]:
            found.append(f"a batch has {batch.input_shape[0]} inputs and {batch.target_shape[:1] or 'no'} targets")
        if not batch.targets_finite:
            found.append("targets hold NaN or infinite values")
        if said.target_shape is not None and batch.target_shape[1:] != said.target_shape:
            found.append(
                f"a target has shape {_by(batch.target_shape[1:])}, the data was said to have {_by(said.target_shape)}"
            )
        if said.num_classes:
            found += self._check_labels(batch)
        elif said.target_dtype and batch.target_dtype != said.target_dtype:
            found.append(f"targets are {batch.target_dtype}, the data was said to have {said.target_dtype}")
        return found

    def _check_labels(self, batch: BatchSummary) -> list[str]:
        if self.data.target_dtype.startswith("float"):
            return self._check_shares(batch)
        last = self.data.num_classes - 1
        if batch.target_dtype != "int64":
            return [f"labels are {batch.target_dtype}; a label is an int64 index of a class, 0 to {last}"]
        if batch.target_min < 0 or batch.target_max > last:
            return [
                f"labels run from {batch.target_min:g} to {batch.target_max:g}, "
                f"but {self.data.num_classes} classes have labels 0 to {last}"
            ]
        return []

    def _check_shares(self, batch: BatchSummary) -> list[str]:
        """Where a sample may have several classes, its target has a number from 0 to 1 for each."""
        if batch.target_dtype != self.data.target_dtype:
            return [f"targets are {batch.target_dtype}, the data was said to have {self.data.target_dtype}"]
        if batch.target_min < 0 or batch.target_max > 1:
            return [
                f"targets run from {batch.target_min:g} to {batch.target_max:g}; "
                "a class has 1 where a sample has it, and 0 where not"
            ]
        return []


def _either(values: tuple[object, ...]) -> str:
    return " or ".join(str(value) for value in values)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape) or "a single number"
