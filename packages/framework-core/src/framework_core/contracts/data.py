"""What the data turned out to be."""

from __future__ import annotations

from pydantic import Field, JsonValue, field_validator

from framework_core.contracts._contract import Contract


class DataSpec(Contract):
    """What the data turned out to be: the model is built from this, so nothing is said twice.

    A datamodule answers with it after its set-up. It is saved beside the run, so a trained model knows its
    class names and input shape without the data.
    """

    task: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """What is to be learned: ``image-classification``, ``multi-label-classification``, ``forecasting`` ..."""

    input_shape: tuple[int, ...] = ()
    """The shape of one input without the batch: ``(channels, height, width)`` for an image."""

    input_dtype: str = "float32"
    """The dtype of the input, by its torch name."""

    class_names: tuple[str, ...] = ()
    """The name of each class; a label is an index into this. Empty where there are no classes."""

    target_names: tuple[str, ...] = ()
    """The name of each number to predict, for regression: a target has one value for each."""

    target_shape: tuple[int, ...] | None = None
    """The shape of one target without the batch: ``()`` for a label, ``(classes,)`` for one yes or no a class,
    ``(height, width)`` for a mask. ``None`` where nobody says."""

    target_dtype: str = ""
    """The dtype of the targets, by its torch name; empty is ``int64`` where there are classes."""

    ignore_index: int | None = None
    """A label that stands for no class: what has it counts neither in the loss nor in a metric."""

    split_sizes: dict[str, int] = Field(default_factory=dict)
    """The number of samples in each split: ``train``, ``val``, ``test``."""

    class_counts: dict[str, int] = Field(default_factory=dict)
    """The number of training samples of each class, by its name."""

    fingerprint: str = ""
    """A digest of the data's content, order and split: the same data gives the same fingerprint."""

    source: str = ""
    """Where the data came from, for people: a path, a URL, a package."""

    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """What a domain knows beyond this: a sampling rate, a vocabulary size, a horizon."""

    @field_validator("input_shape")
    @classmethod
    def _positive(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 1 for size in shape):
            raise ValueError(f"every size must be at least 1, not {shape}")
        return shape

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 where there are none."""
        return len(self.class_names)

    @property
    def num_outputs(self) -> int:
        """How many numbers a model gives for a sample, or for a pixel: one a class, or one a target."""
        return len(self.class_names) or len(self.target_names)

    @property
    def channels(self) -> int:
        """The first axis of the input: an image's colour channels.

        Raises:
            ValueError: The input shape is not known.
        """
        if not self.input_shape:
            raise ValueError("this data has no input shape, so it has no channels")
        return self.input_shape[0]
