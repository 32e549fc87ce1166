"""How a model is trained beyond what Lightning's Trainer takes: averaged weights, fine-tuning, speed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts._section import Section


class AveragingConfig(Section):
    """An average of the weights beside them: it is what is validated, kept as best, and tested."""

    kind: Literal["ema", "swa"] | None = None
    """``ema`` moves with every step, ``swa`` takes the mean of whole epochs; empty averages nothing."""

    decay: float = Field(default=0.9999, gt=0, lt=1)
    """How slowly an ``ema`` moves."""

    warmup: bool = True
    """Whether an ``ema`` moves faster at first: its decay is at most (1 + steps) / (10 + steps)."""

    every_n_steps: PositiveInt = 1
    """How many optimizer steps lie between two moves of an ``ema``."""

    start: float = Field(default=0.75, ge=0, lt=1)
    """The share of the epochs after which ``swa`` begins."""

    lr: float | None = Field(default=None, gt=0)
    """The learning rate while ``swa`` averages; empty leaves it to the scheduler."""

    bn_batches: NonNegativeInt = 200
    """Training batches that the statistics of batch normalisation are counted from, anew for each ``swa`` mean; 0 takes
    the mean of those of the epochs."""

    @model_validator(mode="after")
    def _of_its_kind(self) -> AveragingConfig:
        used = {"ema": {"decay", "warmup", "every_n_steps"}, "swa": {"start", "lr", "bn_batches"}}
        for kind, names in used.items():
            changed = sorted(each for each in names if getattr(self, each) != type(self).model_fields[each].default)
            if changed and self.kind != kind:
                raise ValueError(f"{' and '.join(changed)} has an effect with averaging.kind={kind} only")
        return self


class FinetuneConfig(Section):
    """Starting from pretrained weights without spoiling them. The model says what its layers are."""

    freeze_epochs: NonNegativeInt = 0
    """For how many epochs everything but the head is frozen."""

    unfreeze_every_n_epochs: PositiveInt | None = None
    """After that one layer is freed every so many epochs, the last first; empty frees all at once."""

    layer_decay: float | None = Field(default=None, gt=0, lt=1)
    """What the learning rate is multiplied by from one layer to the one before it; the head has it whole."""

    @model_validator(mode="after")
    def _frozen_first(self) -> FinetuneConfig:
        if self.unfreeze_every_n_epochs is not None and not self.freeze_epochs:
            raise ValueError("unfreeze_every_n_epochs has an effect with finetune.freeze_epochs only")
        return self


class PerformanceConfig(Section):
    """How fast training is. What is empty is chosen by the device, said, and saved with the run."""

    auto: bool = True
    """Whether precision, memory format and fused optimizer are chosen by the device where nothing else is said."""

    channels_last: bool | None = None
    """Whether images lie in memory pixel by pixel, which convolutions on most devices are faster with."""

    matmul_precision: Literal["highest", "high", "medium"] | None = None
    """How exact products of 32-bit matrices are: ``high`` takes TF32 where the device has it; empty is ``highest``."""

    compile: bool | Literal["default", "reduce-overhead", "max-autotune"] = False
    """Whether ``torch.compile`` compiles the network, and how; the first step then takes a minute or more."""

    compile_backend: str = "inductor"
    """What compiles."""

    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass in place of being kept: less memory, more time."""

    @model_validator(mode="after")
    def _compiled_by(self) -> PerformanceConfig:
        if self.compile_backend != "inductor" and not self.compile:
            raise ValueError("compile_backend has an effect with performance.compile=true only")
        return self
