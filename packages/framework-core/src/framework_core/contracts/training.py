"""How a model is trained beyond what Lightning's Trainer takes: averaged weights, fine-tuning."""

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

    @model_validator(mode="after")
    def _of_its_kind(self) -> AveragingConfig:
        used = {"ema": {"decay", "warmup", "every_n_steps"}, "swa": {"start", "lr"}}
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
